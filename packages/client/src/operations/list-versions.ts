import { digestSchema, parseModuleName } from "@modulehub/core";
import { z } from "zod";
import type { Transport } from "../transport.ts";
import type { PageOptions } from "./list-modules.ts";

/** An answer of `GET …/versions`. */
export const versionPage = z.looseObject({
  items: z.array(
    z.looseObject({
      version: z.int(),
      digest: digestSchema,
      publishedAt: z.string(),
      yanked: z.looseObject({ reason: z.string(), at: z.string() }).optional(),
    }),
  ),
  next: z.string().optional(),
});
export type VersionPage = z.infer<typeof versionPage>;

export async function listVersions(
  transport: Transport,
  module: string,
  options: PageOptions = {},
): Promise<VersionPage> {
  const path = `v1/modules/${parseModuleName(module)}/versions`;
  return transport.call("GET", path, versionPage, { query: { ...options } });
}
