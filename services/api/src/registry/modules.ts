import {
  type Action,
  hfName,
  type ModuleName,
  ociName,
  problem,
  publisherOf,
  type Visibility,
} from "@modulehub/core";
import type { Queries } from "../database/client.ts";
import type { Module } from "../database/generated/client.ts";
import { allows, type Principal } from "../identity/principal.ts";
import { refreshListing } from "./listing.ts";

/**
 * The module of a name, for a principal that wants to do something to it. Throws `module-not-found` where it
 * isn't there or may not be seen, the same for both, `forbidden` where it may only be seen, and `gone` where it was
 * deleted.
 */
export async function findModule(
  queries: Queries,
  principal: Principal,
  action: Action,
  name: ModuleName,
): Promise<Module> {
  const row = await queries.module.findUnique({ where: { name } });
  if (row !== null) {
    const resource = { publisher: row.publisherId, visibility: row.visibility as Visibility };
    if (allows(principal, action, resource)) return row;
    if (allows(principal, "module.read", resource))
      throw problem("forbidden", `Your role in ${resource.publisher} does not allow ${action}.`);
  }
  // Looked up for a module that may not be seen too: the answer takes as long as where there is none.
  if (await isDeleted(queries, name)) throw problem("gone");
  throw problem("module-not-found");
}

/**
 * The module of a name, made if there is none. Throws `gone` for a deleted one, `name-taken` where another's
 * name, or what Hugging Face or OCI clients would call it, differs by no more than case or dots. A unique
 * violation comes out when someone else makes a clashing one at the same time.
 */
export async function ensureModule(
  queries: Queries,
  name: ModuleName,
  visibility: Visibility | undefined,
): Promise<Module> {
  const publisherId = publisherOf(name);
  const names = { lowerName: name.toLowerCase(), hfName: hfName(name).toLowerCase(), ociName: ociName(name) };
  const clashes = await queries.module.findMany({
    where: { OR: [{ lowerName: names.lowerName }, { hfName: names.hfName }, { ociName: names.ociName }] },
  });
  const existing = clashes.find((module) => module.name === name);
  if (existing !== undefined) {
    if (visibility !== undefined && visibility !== existing.visibility)
      throw problem(
        "invalid-request",
        `The module is ${existing.visibility}; a draft does not change that. Leave visibility out.`,
      );
    return existing;
  }
  if (clashes.length > 0) throw problem("name-taken", `The name clashes with ${clashes[0]!.name}.`);
  if (await isDeleted(queries, name)) throw problem("gone");
  if ((await queries.publisher.findUnique({ where: { id: publisherId } })) === null)
    throw problem(
      "not-found",
      `There is no publisher ${publisherId}; make it with POST /v1/publishers first.`,
    );
  const module = await queries.module.create({
    data: { publisherId, name, ...names, visibility: visibility ?? "private" },
  });
  await refreshListing(queries, module.id);
  return module;
}

async function isDeleted(queries: Queries, name: ModuleName): Promise<boolean> {
  const key = { lowerName: name.toLowerCase(), version: 0 };
  return (await queries.tombstone.findUnique({ where: { lowerName_version: key } })) !== null;
}
