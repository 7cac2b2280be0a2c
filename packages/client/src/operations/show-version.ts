import { digestSchema, type Manifest, manifestSchema } from "@modulehub/core";
import { z } from "zod";
import type { Transport } from "../transport.ts";
import { versionPath } from "./module-path.ts";

/** An answer of `GET …/versions/{version}`. */
export const versionAnswer = z.looseObject({
  handle: z.string(),
  module: z.string(),
  version: z.int(),
  digest: digestSchema,
  url: z.string(),
  /** 40 hex digits: this version with its current documentation. */
  revision: z.string().optional(),
  publishedAt: z.string(),
  yanked: z.looseObject({ reason: z.string(), at: z.string() }).optional(),
  files: z.array(z.looseObject({ path: z.string(), size: z.int(), digest: digestSchema, role: z.string() })),
  manifest: z.custom<Manifest>((value) => manifestSchema.safeParse(value).success),
});

/** A version: its manifest, and what the hub tells besides. */
export type ShownVersion = z.infer<typeof versionAnswer>;

export async function showVersion(transport: Transport, handle: string): Promise<ShownVersion> {
  return transport.call("GET", versionPath(handle), versionAnswer);
}
