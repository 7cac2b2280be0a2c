import { z } from "zod";
import type { Transport } from "../transport.ts";
import { aliasPath } from "./alias-path.ts";

/** Takes an alias away; the version that it stood for stays. Throws `alias-not-found`, and as `Transport.call` does. */
export async function removeAlias(transport: Transport, module: string, alias: string): Promise<void> {
  await transport.call("DELETE", aliasPath(module, alias), z.unknown());
}
