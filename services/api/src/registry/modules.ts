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
import { ModuleMoved } from "./module-moved.ts";
import { deletedModule } from "./tombstones.ts";

/**
 * The module of a name, for a principal that wants to do something to it. Throws `module-not-found` where it
 * isn't there or may not be seen, the same for both, `forbidden` where it may only be seen, `gone` where it was
 * deleted, and ModuleMoved where it has another name now.
 */
export async function findModule(
  queries: Queries,
  principal: Principal,
  action: Action,
  name: ModuleName,
): Promise<Module> {
  const row = await queries.module.findUnique({ where: { name } });
  if (row !== null) {
    if (allows(principal, action, resourceOf(row))) return row;
    if (allows(principal, "module.read", resourceOf(row)))
      throw problem("forbidden", `Your role in ${row.publisherId} does not allow ${action}.`);
  }
  // Looked up for a module that may not be seen too: the answer takes as long as where there is none.
  const former = await queries.moduleName.findUnique({
    where: { lowerName: name.toLowerCase() },
    include: { module: true },
  });
  const deleted = await deletedModule(queries, principal, name);
  if (deleted !== undefined) throw deleted;
  if (former?.module && hasMoved(former, former.module, name)) {
    const resource = resourceOf(former.module);
    if (allows(principal, "module.read", resource) || allows(principal, action, resource))
      throw new ModuleMoved(former.module.name as ModuleName);
  }
  throw problem("module-not-found");
}

/**
 * Whether a module was to be found under a name. A former name is kept in one spelling, and leads on in every one:
 * the module may have had it in more than one. Of the present one, only the spelling that it came with does.
 */
const hasMoved = (former: { name: string; lowerName: string }, module: Module, name: ModuleName): boolean =>
  former.lowerName !== module.lowerName || former.name === name;

const resourceOf = ({ publisherId, visibility }: Module) => ({
  publisher: publisherId,
  visibility: visibility as Visibility,
});

/** How others spell a name; each spelling is given once. */
export const namesOf = (name: ModuleName) => ({
  lowerName: name.toLowerCase(),
  hfName: hfName(name).toLowerCase(),
  ociName: ociName(name),
});

/**
 * The module of a name, made if there is none, for someone who may publish in its publisher. Throws `gone` for a
 * deleted one, ModuleMoved for a former name, `name-taken` where another's name, present or former, or what Hugging
 * Face or OCI clients would call it, differs by no more than case or dots. A unique violation comes out when someone
 * else makes a clashing one at the same time.
 */
export async function ensureModule(
  queries: Queries,
  principal: Principal,
  name: ModuleName,
  visibility: Visibility | undefined,
): Promise<Module> {
  const publisherId = publisherOf(name);
  // Until the caller's transaction ends it keeps its name and publisher; and blobs are locked after it, as elsewhere.
  await queries.$queryRaw`SELECT 1 FROM module WHERE name = ${name} FOR KEY SHARE`;
  const existing = await queries.module.findUnique({ where: { name } });
  if (existing !== null) {
    if (visibility !== undefined && visibility !== existing.visibility)
      throw problem(
        "invalid-request",
        `The module is ${existing.visibility}; a draft does not change that. Leave visibility out.`,
      );
    return existing;
  }
  const { lowerName, hfName, ociName } = namesOf(name);
  const clashes = await queries.moduleName.findMany({
    where: { OR: [{ lowerName }, { hfName }] },
    include: { module: true },
  });
  const former = clashes.find((each) => each.name === name)?.module;
  if (former && allows(principal, "module.read", resourceOf(former)))
    throw new ModuleMoved(former.name as ModuleName);
  const deleted = await deletedModule(queries, principal, name);
  if (deleted !== undefined) throw deleted;
  if (clashes.length > 0) throw problem("name-taken", `The name clashes with ${clashes[0]!.name}.`);
  if ((await queries.publisher.findUnique({ where: { id: publisherId } })) === null)
    throw problem(
      "not-found",
      `There is no publisher ${publisherId}; make it with POST /v1/publishers first.`,
    );
  const module = await queries.module.create({
    data: {
      publisherId,
      name,
      lowerName,
      hfName,
      ociName,
      visibility: visibility ?? "private",
      names: { create: { lowerName, hfName, name } },
    },
  });
  await refreshListing(queries, module.id);
  return module;
}
