import { z } from "zod";
import type { Transport } from "../transport.ts";

/** Makes a publisher. Throws `name-taken` where it exists, `forbidden` where the token may not. */
export async function createPublisher(transport: Transport, id: string): Promise<void> {
  await transport.call("POST", "v1/publishers", z.unknown(), { body: { id } });
}
