/** That a version was withdrawn, as clients see it. */
export interface Yanked {
  reason: string;
  at: string;
}

/** What a version's columns say of it: `yanked` where it was withdrawn, otherwise nothing. */
export function yankMark(row: { yankedAt: Date | null; yankReason: string | null }): { yanked?: Yanked } {
  if (row.yankedAt === null) return {};
  return { yanked: { reason: row.yankReason ?? "", at: row.yankedAt.toISOString() } };
}
