import { z } from "zod";
import type { Queries } from "../database/client.ts";
import { decodeCursor, encodeCursor } from "../registry/cursor.ts";
import type { Head } from "./head.ts";

/** A revision on the way to a head. */
export interface CommitAnswer {
  revision: string;
  parent: string;
  createdAt: string;
  author?: string;
  message?: string;
  /** What it is published as. */
  version?: number;
  documentation?: number;
}

interface Row {
  revision: string;
  parent: string;
  created_at: Date;
  author: string | null;
  message: string | null;
  version: number | null;
  documentation_revision: number | null;
}

/** A page of what led to a head, newest first: from it to its parent, and so on. */
export async function listCommits(
  queries: Queries,
  moduleId: number,
  head: Head,
  page: { limit: number; cursor?: string | undefined },
): Promise<{ items: CommitAnswer[]; next?: string }> {
  const first =
    page.cursor === undefined ? head.revision : decodeCursor(z.string().regex(/^[0-9a-f]{40}$/), page.cursor);
  const rows = await queries.$queryRaw<Row[]>`
    WITH RECURSIVE log AS (
      SELECT r.*, 1 AS place FROM revision r WHERE r.module_id = ${moduleId} AND r.revision = ${first}
      UNION ALL
      SELECT r.*, log.place + 1 FROM log JOIN revision r ON r.module_id = ${moduleId} AND r.revision = log.parent
      WHERE log.place <= ${page.limit})
    SELECT log.revision, log.parent, log.created_at, log.author, log.message, log.documentation_revision,
           v.number AS version
    FROM log LEFT JOIN version v ON v.id = log.version_id ORDER BY log.place`;
  const items = rows.slice(0, page.limit).map(answerOf);
  const after = rows[page.limit];
  return after === undefined ? { items } : { items, next: encodeCursor(after.revision) };
}

const answerOf = (row: Row): CommitAnswer => ({
  revision: row.revision,
  parent: row.parent,
  createdAt: new Date(row.created_at).toISOString(),
  ...(row.author !== null && { author: row.author }),
  ...(row.message !== null && { message: row.message }),
  ...(row.version !== null && { version: row.version }),
  ...(row.documentation_revision !== null && { documentation: row.documentation_revision }),
});
