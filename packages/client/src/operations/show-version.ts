import { digestSchema, type Manifest, manifestSchema } from "@modulehub/core";
import { z } from "zod";
import type { Transport } from "../transport.ts";
import { versionPath } from "./module-path.ts";

/** An answer of `GET …/versions/{version}`. */
export const versionAnswer = z.looseObject({
  version: z.int(),
  digest: digestSchema,
  manifest: z.custom<Manifest>((value) => manifestSchema.safeParse(value).success),
});

/** A version: its manifest, and what the hub tells besides. */
export type ShownVersion = z.infer<typeof versionAnswer>;

export async function showVersion(transport: Transport, handle: string): Promise<ShownVersion> {
  return transport.call("GET", versionPath(handle), versionAnswer);
}
