import type { Queries } from "../database/client.ts";
import { Prisma } from "../database/generated/client.ts";
import type { Principal } from "../identity/principal.ts";
import { conditions, type ModuleQuery } from "./find-modules.ts";
import type { Filter } from "./listing.ts";

/** Filters whose values are counted: those that a person chooses from a list. */
export const COUNTED = ["task", "license", "language", "dtype", "publisher"] as const satisfies Filter[];

/** Modules that are looked at: the newest ones of all, or those of what fits that are found first. */
export const MAX_COUNTED = 1_000;
/** Stands between facets, and in none: a value in which it stood would be counted as two, no more. */
const SEPARATOR = "\u001f";
/** Values that are told of each filter, the most frequent ones. */
const MAX_VALUES = 50;

export interface FacetCounts {
  /** The modules that were counted. */
  counted: number;
  /** As many fit as are counted at most, or more: the numbers are of these only. */
  approximate: boolean;
  values: Record<(typeof COUNTED)[number], { value: string; count: number }[]>;
}

/** How often values occur among the modules that fit and that a principal may see. */
export async function countFacets(
  queries: Queries,
  principal: Principal,
  query: ModuleQuery,
): Promise<FacetCounts> {
  const values = { task: [], license: [], language: [], dtype: [], publisher: [] };
  const where = conditions(principal, query);
  if (where === undefined) return { counted: 0, approximate: false, values };
  // Counted here: one text that is cut up is several times as fast as the database's grouping of many short ones.
  const [row] = await queries.$queryRaw<{ total: number; facets: string | null }[]>`
    WITH found AS MATERIALIZED (
      SELECT l.facets FROM listing l WHERE ${where.fits ?? Prisma.sql`true`} AND ${where.visible}
      ${where.fits === undefined ? Prisma.sql`ORDER BY l.changed_at DESC` : Prisma.empty} LIMIT ${MAX_COUNTED})
    SELECT count(*)::int AS total, string_agg(array_to_string(facets, ${SEPARATOR}), ${SEPARATOR}) AS facets
    FROM found`;
  const total = row?.total ?? 0;
  const numbers = new Map<string, number>();
  for (const facet of row?.facets?.split(SEPARATOR) ?? []) numbers.set(facet, (numbers.get(facet) ?? 0) + 1);
  const counts: FacetCounts = { counted: total, approximate: total >= MAX_COUNTED, values };
  for (const filter of COUNTED)
    counts.values[filter] = [...numbers]
      .flatMap(([facet, count]) =>
        facet.startsWith(`${filter}:`) ? [{ value: facet.slice(filter.length + 1), count }] : [],
      )
      .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
      .slice(0, MAX_VALUES);
  return counts;
}
