import type { Queries } from "../database/client.ts";
import { Prisma } from "../database/generated/client.ts";
import type { Principal } from "../identity/principal.ts";
import { conditions, type ModuleQuery } from "./find-modules.ts";
import type { Filter } from "./listing.ts";

/** Filters whose values are counted: those that a person chooses from a list. */
export const COUNTED = ["task", "license", "language", "dtype", "publisher"] as const satisfies Filter[];

/** Modules that are looked at: the newest ones of all, or those of what fits that are found first. */
export const MAX_COUNTED = 1_000;
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
  const rows = await queries.$queryRaw<{ facet: string | null; count: number }[]>`
    WITH found AS MATERIALIZED (
      SELECT l.facets FROM listing l WHERE ${where.fits ?? Prisma.sql`true`} AND ${where.visible}
      ${where.fits === undefined ? Prisma.sql`ORDER BY l.changed_at DESC` : Prisma.empty} LIMIT ${MAX_COUNTED})
    SELECT NULL AS facet, count(*)::int AS count FROM found
    UNION ALL
    (SELECT facet, count(*)::int FROM found, unnest(found.facets) facet
     WHERE split_part(facet, ':', 1) = ANY(${[...COUNTED]}::text[]) GROUP BY facet)`;
  const total = rows.find(({ facet }) => facet === null)?.count ?? 0;
  const counts: FacetCounts = {
    counted: total,
    approximate: total >= MAX_COUNTED,
    values,
  };
  for (const filter of COUNTED)
    counts.values[filter] = rows
      .flatMap(({ facet, count }) =>
        facet?.startsWith(`${filter}:`) ? [{ value: facet.slice(filter.length + 1), count }] : [],
      )
      .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
      .slice(0, MAX_VALUES);
  return counts;
}
