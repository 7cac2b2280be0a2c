import { parseModuleName } from "@modulehub/core";
import { z } from "zod";
import type { Transport } from "../transport.ts";
import type { PageOptions } from "./list-modules.ts";
import { aliasAnswer } from "./set-alias.ts";

/** An answer of `GET …/aliases`. */
export const aliasPage = z.looseObject({ items: z.array(aliasAnswer), next: z.string().optional() });
export type AliasPage = z.infer<typeof aliasPage>;

/** A page of a module's aliases, by name. Throws as `Transport.call` does. */
export async function listAliases(
  transport: Transport,
  module: string,
  options: PageOptions = {},
): Promise<AliasPage> {
  const path = `v1/modules/${parseModuleName(module)}/aliases`;
  return transport.call("GET", path, aliasPage, { query: { ...options } });
}
