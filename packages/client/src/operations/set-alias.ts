import { digestSchema } from "@modulehub/core";
import { z } from "zod";
import type { Transport } from "../transport.ts";
import { aliasPath } from "./alias-path.ts";
import { exactVersion } from "./exact-version.ts";

/** An answer of `PUT …/aliases/{alias}`, and an item of the list. */
export const aliasAnswer = z.looseObject({
  alias: z.string(),
  version: z.int(),
  digest: digestSchema,
  updatedAt: z.string(),
});

/** What a module's alias stands for, and since when. */
export type ModuleAlias = z.infer<typeof aliasAnswer>;

/**
 * Makes an alias stand for the version that a handle names by its number, or moves it there. Throws `invalid-handle`,
 * `invalid-name`, `version-not-found`, and as `Transport.call` does.
 */
export async function setAlias(transport: Transport, handle: string, alias: string): Promise<ModuleAlias> {
  const { module, version } = exactVersion(handle);
  return transport.call("PUT", aliasPath(module, alias), aliasAnswer, { body: { version }, retry: "safe" });
}
