import {
  type Action,
  hfName,
  type ModuleName,
  ociName,
  problem,
  publisherOf,
  type Visibility,
} from "@modulehub/core";
import { z } from "zod";
import type { Queries } from "../database/client.ts";
import type { Module } from "../database/generated/client.ts";
import { allows, type Principal, visiblePublishers } from "../identity/principal.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";

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
  return queries.module.create({
    data: { publisherId, name, ...names, visibility: visibility ?? "private" },
  });
}

async function isDeleted(queries: Queries, name: ModuleName): Promise<boolean> {
  const key = { lowerName: name.toLowerCase(), version: 0 };
  return (await queries.tombstone.findUnique({ where: { lowerName_version: key } })) !== null;
}

export interface ModuleAnswer {
  module: string;
  publisher: string;
  visibility: Visibility;
  createdAt: string;
  /** Absent while no version can be seen. */
  latest?: { version: number; digest: string; task: string; publishedAt: string };
}

interface ModuleRow {
  name: string;
  publisher_id: string;
  visibility: Visibility;
  created_at: Date;
  number: number | null;
  digest: string | null;
  task: string | null;
  published_at: Date | null;
}

/** A page of the modules that a principal may see, by name: those with every word of a query in name or task. */
export async function listModules(
  queries: Queries,
  principal: Principal,
  page: { query?: string; publisher?: string | undefined; limit: number; cursor?: string | undefined },
): Promise<{ items: ModuleAnswer[]; next?: string }> {
  const after = page.cursor === undefined ? "" : decodeCursor(z.string(), page.cursor);
  const publisher = page.publisher ?? null;
  const words = (page.query ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const visible = visiblePublishers(principal, "module.list");
  const all = visible === "all";
  const own = visible === "all" ? [] : visible;
  const rows = await queries.$queryRaw<ModuleRow[]>`
    SELECT m.name, m.publisher_id, m.visibility, m.created_at, v.number, v.digest,
           v.manifest->>'task' AS task, v.published_at
    FROM module m LEFT JOIN LATERAL (
      SELECT * FROM version WHERE module_id = m.id AND yanked_at IS NULL ORDER BY number DESC LIMIT 1) v ON true
    WHERE m.name > ${after} AND (${publisher}::text IS NULL OR m.publisher_id = ${publisher})
      AND NOT EXISTS (
        SELECT FROM unnest(${words}::text[]) word
        WHERE strpos(m.lower_name || ' ' || coalesce(v.manifest->>'task', ''), word) = 0)
      AND (${all} OR m.publisher_id = ANY(${own}::text[]) OR (m.visibility = 'public' AND v.id IS NOT NULL))
    ORDER BY m.name LIMIT ${page.limit + 1}`;
  const items = rows.slice(0, page.limit).map(answerOf);
  return rows.length > page.limit ? { items, next: encodeCursor(items.at(-1)!.module) } : { items };
}

/** What can be said of one module. */
export async function describeModule(queries: Queries, module: Module): Promise<ModuleAnswer> {
  const latest = await queries.version.findFirst({
    where: { moduleId: module.id, yankedAt: null },
    orderBy: { number: "desc" },
  });
  const task = latest === null ? null : z.object({ task: z.string() }).parse(latest.manifest).task;
  return answerOf({
    name: module.name,
    publisher_id: module.publisherId,
    visibility: module.visibility as Visibility,
    created_at: module.createdAt,
    number: latest?.number ?? null,
    digest: latest?.digest ?? null,
    task,
    published_at: latest?.publishedAt ?? null,
  });
}

function answerOf(row: ModuleRow): ModuleAnswer {
  const { number, digest, task, published_at: publishedAt } = row;
  const answer: ModuleAnswer = {
    module: row.name,
    publisher: row.publisher_id,
    visibility: row.visibility,
    createdAt: new Date(row.created_at).toISOString(),
  };
  if (number === null || digest === null || task === null || publishedAt === null) return answer;
  return {
    ...answer,
    latest: { version: number, digest, task, publishedAt: new Date(publishedAt).toISOString() },
  };
}
