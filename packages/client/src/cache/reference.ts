import { digestSchema, formatHandle, type ModuleName, moduleNameFault } from "@modulehub/core";
import { z } from "zod";
import type { CacheLayout } from "./layout.ts";
import { readJson, writeJson } from "./write-whole.ts";

const referenceSchema = z.object({
  schemaVersion: z.literal(1),
  hub: z.string(),
  handle: z.string(),
  module: z.custom<ModuleName>((value) => typeof value === "string" && moduleNameFault(value) === undefined),
  version: z.int(),
  digest: digestSchema,
});

/** What a handle on a hub was last seen to mean. */
export type Reference = Pick<z.infer<typeof referenceSchema>, "module" | "version" | "digest">;

/** What a handle last meant; undefined where it was never loaded. */
export async function recall(
  layout: CacheLayout,
  hub: string,
  handle: string,
): Promise<Reference | undefined> {
  const found = await readJson(layout.reference(hub, handle), referenceSchema);
  return found?.hub === hub && found.handle === handle ? found : undefined;
}

/** Remembers what a handle means, and the exact handles of the same version with it. */
export async function remember(
  layout: CacheLayout,
  hub: string,
  handle: string,
  { module, version, digest }: Reference,
): Promise<void> {
  const exact = formatHandle({ module, reference: { kind: "version", version } });
  const content = formatHandle({ module, reference: { kind: "digest", digest } });
  for (const each of new Set([handle, exact, content]))
    await writeJson(layout.reference(hub, each), {
      schemaVersion: 1,
      hub,
      handle: each,
      module,
      version,
      digest,
    });
}
