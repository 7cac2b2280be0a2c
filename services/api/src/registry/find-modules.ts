import { hash } from "node:crypto";
import { problem } from "@modulehub/core";
import { z } from "zod";
import type { Queries } from "../database/client.ts";
import { Prisma } from "../database/generated/client.ts";
import { isStorable } from "../database/storable.ts";
import { type Principal, visiblePublishers } from "../identity/principal.ts";
import { decodeCursor, encodeCursor, moment } from "./cursor.ts";
import { FILTERS, type Filter, facet } from "./listing.ts";
import { answerOf, LISTED_COLUMNS, type ListedRow, type ModuleAnswer } from "./module-answer.ts";
import { queryOf } from "./search-words.ts";

/** Orders of a list: best first, by name, newest version first, smallest first. */
export const SORTS = ["relevance", "name", "recent", "size"] as const;
export type Sort = (typeof SORTS)[number];

/** What is looked for: of several values of one filter any, of several filters all. */
export interface ModuleQuery extends Partial<Record<Filter, readonly string[]>> {
  /** Words that a module has, all of them. */
  q?: string;
  /** Default: relevance where there are words, otherwise name. */
  sort?: Sort;
}

/**
 * Modules that are ranked at most. Of more, those with the name that was typed and those with the words in name,
 * title, task or tags are taken before others.
 */
export const MAX_RANKED = 500;
const MAX_NAMED = 50;
/** Modules that are sorted at most to make a page; of more, the order's index is walked. */
const MAX_SORTED = 1_000;

export interface ModuleListAnswer {
  items: ModuleAnswer[];
  next?: string;
  /** As many modules fit as are ranked, or more; another order lists all of them. */
  capped?: true;
}

interface Order {
  /** Where a page begins: what it is sorted by, and the name of the module before it. */
  position: z.ZodType<readonly [string | number, string]>;
  positionOf(row: FoundRow): readonly [string | number, string];
  after(position: readonly [string | number, string]): Prisma.Sql;
  by: Prisma.Sql;
}

interface FoundRow extends ListedRow {
  score: number;
  total: number;
}

const ORDERS: Record<Sort, Order> = {
  relevance: {
    position: z.tuple([z.number().min(0), z.string()]),
    positionOf: ({ score, name }) => [score, name],
    after: ([score, name]) =>
      Prisma.sql`(l.score < ${score}::float8 OR (l.score = ${score}::float8 AND l.name > ${name}))`,
    by: Prisma.sql`l.score DESC, l.name`,
  },
  name: {
    position: z.tuple([z.literal(""), z.string()]),
    positionOf: ({ name }) => ["", name],
    after: ([, name]) => Prisma.sql`l.name > ${name}`,
    by: Prisma.sql`l.name`,
  },
  recent: {
    position: z.tuple([moment, z.string()]),
    positionOf: ({ changed_at, name }) => [new Date(changed_at).toISOString(), name],
    after: ([at, name]) => Prisma.sql`(l.changed_at, l.name) < (${at}::timestamptz, ${name})`,
    by: Prisma.sql`l.changed_at DESC, l.name DESC`,
  },
  size: {
    position: z.tuple([z.int().min(0), z.string()]),
    positionOf: ({ size, name }) => [Number(size), name],
    after: ([size, name]) => Prisma.sql`(l.size, l.name) > (${size}::bigint, ${name})`,
    by: Prisma.sql`l.size, l.name`,
  },
};

/**
 * A page of the modules that fit and that a principal may see. Throws `invalid-request` for a cursor that is
 * damaged or of another list: other words, filters or order.
 */
export async function findModules(
  queries: Queries,
  principal: Principal,
  query: ModuleQuery,
  page: { limit: number; cursor?: string | undefined },
): Promise<ModuleListAnswer> {
  const words = query.q?.trim() || undefined;
  const sort = query.sort ?? (words === undefined ? "name" : "relevance");
  if (sort === "relevance" && words === undefined)
    throw problem("invalid-request", "sort=relevance needs words to look for, in q.");
  const order = ORDERS[sort];
  const list = fingerprint(query, sort);
  const after = page.cursor === undefined ? undefined : readCursor(order, list, page.cursor);
  const where = conditions(principal, query);
  if (where === undefined) return { items: [] };
  const from =
    sort === "relevance" ? ranked(where, words ?? "") : sorted(where, order, after, page.limit + 1);
  const rows = await queries.$queryRaw<FoundRow[]>`
    ${from.with}
    SELECT ${LISTED_COLUMNS}, l.score, l.total FROM (${from.rows}) l
    WHERE ${after === undefined ? Prisma.sql`true` : order.after(after)}
    ORDER BY ${order.by} LIMIT ${page.limit + 1}`;
  const shown = rows.slice(0, page.limit);
  const answer: ModuleListAnswer = { items: shown.map(answerOf) };
  if (rows.length > page.limit) answer.next = encodeCursor([list, ...order.positionOf(shown.at(-1)!)]);
  if ((rows[0]?.total ?? 0) >= MAX_RANKED) answer.capped = true;
  return answer;
}

/** Tells one list from another, so that a cursor is not taken for a place in both. */
function fingerprint(query: ModuleQuery, sort: Sort): string {
  const filters = FILTERS.map((filter) =>
    [...new Set(query[filter]?.map((value) => facet(filter, value)))].sort(),
  );
  return hash("sha256", JSON.stringify([sort, queryOf(query.q ?? ""), filters])).slice(0, 16);
}

function readCursor(order: Order, list: string, cursor: string): readonly [string | number, string] {
  const [ofList, ...position] = decodeCursor(z.tuple([z.string()], z.unknown()), cursor);
  const parsed = order.position.safeParse(position);
  if (ofList !== list || !parsed.success || !isStorable(parsed.data[1]))
    throw problem("invalid-request", "The cursor is of another list; begin this one again.");
  return parsed.data;
}

export interface Conditions {
  /** Whether the module may be seen. */
  visible: Prisma.Sql;
  /** Whether it is what was asked for; by indexes. Undefined where everything is. */
  fits: Prisma.Sql | undefined;
}

/**
 * What a module must be like to be in a list; undefined where words were asked for and there are none in the text.
 * All filters are one column under one index, looked up together.
 */
export function conditions(principal: Principal, query: ModuleQuery): Conditions | undefined {
  const all: Prisma.Sql[] = [];
  const single: string[] = [];
  for (const filter of FILTERS) {
    const values = [...new Set(query[filter]?.map((value) => facet(filter, value)))];
    if (values.length === 1) single.push(values[0]!);
    else if (values.length > 1) all.push(Prisma.sql`l.facets && ${values}::text[]`);
  }
  if (single.length > 0) all.unshift(Prisma.sql`l.facets @> ${single}::text[]`);
  if (query.q?.trim()) {
    const words = queryOf(query.q);
    if (words === undefined) return undefined;
    all.push(Prisma.sql`l.words @@ ${words}::tsquery`);
  }
  return { visible: visible(principal), fits: all.length === 0 ? undefined : Prisma.join(all, " AND ") };
}

function visible(principal: Principal): Prisma.Sql {
  const publishers = visiblePublishers(principal, "module.list");
  if (publishers === "all") return Prisma.sql`true`;
  if (publishers.length === 0) return Prisma.sql`l.open`;
  return Prisma.sql`(l.open OR l.publisher_id = ANY(${publishers}::text[]))`;
}

/** Where rows come from: tables of its own, and a query over them. */
interface Source {
  with: Prisma.Sql;
  rows: Prisma.Sql;
}

/** Modules that fit, found by the indexes of words and filters, in no order. */
const hits = ({ visible, fits }: Conditions, limit: Prisma.Sql): Prisma.Sql =>
  Prisma.sql`SELECT l.module_id FROM listing l WHERE ${fits ?? Prisma.sql`true`} AND ${visible} LIMIT ${limit}`;

/**
 * A page by name, time or size. Few modules that fit are found and then sorted; where many do, the order's index is
 * walked until the page is full, with IS TRUE to keep the other indexes out. Which of the two is decided by looking,
 * not by the planner: the embedded database has no statistics to plan by, and each way takes a hundred times as long
 * where the other is right.
 */
function sorted(
  where: Conditions,
  order: Order,
  after: ReturnType<Order["positionOf"]> | undefined,
  limit: number,
): Source {
  const begun = after === undefined ? Prisma.sql`true` : order.after(after);
  const page = (condition: Prisma.Sql) => Prisma.sql`
    (SELECT l.*, 0::float8 AS score, 0 AS total FROM listing l
     WHERE ${condition} AND ${where.visible} AND ${begun} ORDER BY ${order.by} LIMIT ${limit})`;
  if (where.fits === undefined) return { with: Prisma.empty, rows: page(Prisma.sql`true`) };
  const few = Prisma.sql`(SELECT count(*) FROM hits) < ${MAX_SORTED}`;
  return {
    with: Prisma.sql`WITH hits AS MATERIALIZED (${hits(where, Prisma.sql`${MAX_SORTED}`)})`,
    rows: Prisma.sql`
      ${page(Prisma.sql`${few} AND l.module_id = ANY(ARRAY(SELECT module_id FROM hits))`)}
      UNION ALL
      ${page(Prisma.sql`NOT (${few}) AND (${where.fits}) IS TRUE`)}`,
  };
}

/**
 * Modules with a score: 2 for the very name, and PostgreSQL's rank of the words in name, title, tags and
 * description, divided by 1 + the logarithm of their length. It depends on the row alone, so that what comes
 * between two pages moves nothing. Candidates are taken from the index until there are enough, and not sorted
 * before: of a word that every module has, reading all of them would take longer than a person waits.
 */
function ranked(where: Conditions, words: string): Source {
  const query = Prisma.sql`${queryOf(words)}::tsquery`;
  const name = words.toLowerCase();
  const named = Prisma.sql`(l.lower_name = ${name} OR l.short_name = ${name})`;
  const called = Prisma.sql`l.words @@ ${queryOf(words, "called")}::tsquery`;
  const also = (condition: Prisma.Sql): Conditions => ({
    ...where,
    fits: Prisma.sql`${condition} AND ${where.fits ?? Prisma.sql`true`}`,
  });
  const left = Prisma.sql`greatest(0, ${MAX_RANKED} - (SELECT count(*) FROM called))`;
  return {
    with: Prisma.sql`
      WITH named AS MATERIALIZED (${hits(also(named), Prisma.sql`${MAX_NAMED}`)}),
      called AS MATERIALIZED (${hits(also(called), Prisma.sql`${MAX_RANKED}`)}),
      others AS MATERIALIZED (${hits(where, left)})`,
    rows: Prisma.sql`
      SELECT l.*, (CASE WHEN ${named} THEN 2 ELSE 0 END + ts_rank(l.head, ${query}, 1))::float8 AS score,
        (SELECT count(*) FROM called)::int + (SELECT count(*) FROM others)::int AS total
      FROM listing l WHERE l.module_id = ANY(ARRAY(
        SELECT module_id FROM named UNION SELECT module_id FROM called UNION SELECT module_id FROM others))`,
  };
}
