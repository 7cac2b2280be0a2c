import { isAlias, type ModuleName, problem } from "@modulehub/core";
import { z } from "zod";
import type { Database, Queries } from "../database/client.ts";
import type { Module } from "../database/generated/client.ts";
import { recordAudit } from "../identity/audit.ts";
import type { Principal } from "../identity/principal.ts";
import { changeModule } from "./change-module.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { findVersion } from "./versions.ts";

/** An alias as clients see it. */
export interface AliasAnswer {
  alias: string;
  version: number;
  digest: string;
  updatedAt: string;
}

/**
 * What the caller believes that the alias stands for: one of these versions, or `any` that it is there. Undefined:
 * it is changed whatever it stands for.
 */
export type Expected = readonly number[] | "any" | undefined;

/** A page of a module's aliases, by name. Those of yanked versions are among them. */
export async function listAliases(
  queries: Queries,
  moduleId: number,
  page: { limit: number; cursor?: string | undefined },
): Promise<{ items: AliasAnswer[]; next?: string }> {
  const after = page.cursor === undefined ? "" : decodeCursor(z.string(), page.cursor);
  const rows = await queries.alias.findMany({
    where: { moduleId, name: { gt: after } },
    orderBy: { name: "asc" },
    take: page.limit + 1,
    include: { version: { select: { number: true, digest: true } } },
  });
  const items = rows.slice(0, page.limit).map((row) => ({
    alias: row.name,
    version: row.version.number,
    digest: row.version.digest,
    updatedAt: row.updatedAt.toISOString(),
  }));
  return rows.length > page.limit ? { items, next: encodeCursor(items.at(-1)!.alias) } : { items };
}

/**
 * Makes an alias stand for a version, or moves it there. An alias that is there already stays as it is. Throws
 * `invalid-name`, `module-not-found`, `version-not-found` (`gone` where it was deleted) and `precondition-failed`;
 * nothing is changed then.
 */
export async function setAlias(
  database: Database,
  principal: Principal,
  { module: name, alias, version: number }: { module: ModuleName; alias: string; version: number },
  expected: Expected,
): Promise<AliasAnswer & { created: boolean }> {
  checkAlias(alias);
  return changeModule(database, principal, "module.alias", name, async (tx, module) => {
    const version = await findVersion(tx, module, { kind: "version", version: number });
    const current = await readAlias(tx, module, alias);
    checkExpected(alias, current?.version.number, expected);
    const key = { moduleId: module.id, name: alias };
    const row =
      current === null
        ? await tx.alias.create({ data: { ...key, versionId: version.id } })
        : current.versionId === version.id
          ? current
          : await tx.alias.update({
              where: { moduleId_name: key },
              data: { versionId: version.id, updatedAt: new Date() },
            });
    if (current?.versionId !== version.id)
      await recordAudit(tx, principal, {
        action: "module.alias",
        publisher: module.publisherId,
        module: name,
        version: version.number,
        detail: { alias, ...(current && { before: current.version.number }) },
      });
    return {
      alias,
      version: version.number,
      digest: version.digest,
      updatedAt: row.updatedAt.toISOString(),
      created: current === null,
    };
  });
}

/**
 * Makes aliases stand for a version, in the transaction of what publishes it. Answers with those that stood for another,
 * and for which.
 */
export async function moveAliases(
  tx: Queries,
  moduleId: number,
  aliases: readonly string[],
  versionId: number,
): Promise<{ alias: string; before: number }[]> {
  const known = await tx.alias.findMany({
    where: { moduleId, name: { in: [...aliases] }, versionId: { not: versionId } },
    orderBy: { name: "asc" },
    include: { version: { select: { number: true } } },
  });
  for (const name of aliases)
    await tx.alias.upsert({
      where: { moduleId_name: { moduleId, name } },
      create: { moduleId, name, versionId },
      update: { versionId, updatedAt: new Date() },
    });
  return known.map(({ name, version }) => ({ alias: name, before: version.number }));
}

/** Takes an alias away. Throws `invalid-name`, `module-not-found`, `alias-not-found`, `precondition-failed`. */
export async function removeAlias(
  database: Database,
  principal: Principal,
  { module: name, alias }: { module: ModuleName; alias: string },
  expected: Expected,
): Promise<void> {
  checkAlias(alias);
  await changeModule(database, principal, "module.alias", name, async (tx, module) => {
    const current = await readAlias(tx, module, alias);
    if (current === null) throw problem("alias-not-found", `${name} has no alias ${alias}.`);
    checkExpected(alias, current.version.number, expected);
    await tx.alias.delete({ where: { moduleId_name: { moduleId: module.id, name: alias } } });
    await recordAudit(tx, principal, {
      action: "module.alias",
      publisher: module.publisherId,
      module: name,
      detail: { alias, before: current.version.number, removed: true },
    });
  });
}

const readAlias = (queries: Queries, module: Module, name: string) =>
  queries.alias.findUnique({
    where: { moduleId_name: { moduleId: module.id, name } },
    include: { version: { select: { number: true } } },
  });

function checkAlias(alias: string): void {
  if (!isAlias(alias))
    throw problem(
      "invalid-name",
      "An alias is a letter or _, then up to 127 letters, digits, _ . and -; not latest, main, HEAD or 40 hex digits.",
    );
}

function checkExpected(alias: string, current: number | undefined, expected: Expected): void {
  if (expected === undefined) return;
  if (current === undefined)
    throw problem("precondition-failed", `There is no alias ${alias}; leave If-Match out to make it.`);
  if (expected !== "any" && !expected.includes(current))
    throw problem("precondition-failed", `The alias ${alias} stands for version ${current} by now.`);
}
