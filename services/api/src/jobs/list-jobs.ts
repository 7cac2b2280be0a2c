import { JOB_KINDS, JOB_STATES, type JobKind, type JobState, type JobSummary } from "@modulehub/core";
import { z } from "zod";
import type { Queries } from "../database/client.ts";
import { type Principal, visiblePublishers } from "../identity/principal.ts";
import { decodeCursor, encodeCursor, moment } from "../registry/cursor.ts";

const position = z.tuple([moment, z.uuid()]);

interface Row {
  id: string;
  kind: string;
  state: string;
  publisher_id: string;
  subject: string | null;
  publishes: string | null;
  problem: string | null;
  published: string | null;
  account: string | null;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
}

/** A page of the jobs of the publishers that a principal may write in, newest first. */
export async function listJobs(
  queries: Queries,
  principal: Principal,
  page: {
    publisher?: string | undefined;
    kind?: JobKind | undefined;
    state?: JobState | undefined;
    limit: number;
    cursor?: string | undefined;
  },
): Promise<{ items: JobSummary[]; next?: string }> {
  const visible = visiblePublishers(principal, "job.read");
  const all = visible === "all";
  const own = visible === "all" ? [] : visible;
  const { limit, publisher = null, kind = null, state = null } = page;
  const [time, id] = page.cursor === undefined ? [null, null] : decodeCursor(position, page.cursor);
  const rows = await queries.$queryRaw<Row[]>`
    SELECT id, kind, state, publisher_id, created_at, started_at, ended_at,
           subjects->0->>'handle' AS subject, request->'publish'->>'module' AS publishes,
           problem->>'code' AS problem, result->'published'->>'handle' AS published,
           asked_by->>'account' AS account
    FROM job
    WHERE (${all} OR publisher_id = ANY(${own}::text[]))
      AND (${publisher}::text IS NULL OR publisher_id = ${publisher})
      AND (${kind}::text IS NULL OR kind = ${kind}) AND (${state}::text IS NULL OR state = ${state})
      AND (${time}::timestamptz IS NULL OR (created_at, id) < (${time}::timestamptz, ${id}))
    ORDER BY created_at DESC, id DESC LIMIT ${limit + 1}`;
  const items = rows.slice(0, limit).map(answerOf);
  const last = items.at(-1);
  return rows.length > limit && last ? { items, next: encodeCursor([last.createdAt, last.id]) } : { items };
}

const answerOf = (row: Row): JobSummary => ({
  id: row.id,
  kind: z.enum(JOB_KINDS).parse(row.kind),
  state: z.enum(JOB_STATES).parse(row.state),
  publisher: row.publisher_id,
  subject: row.subject ?? "",
  ...(row.publishes !== null && { publishes: row.publishes }),
  ...(row.problem !== null && { problem: row.problem }),
  ...(row.published !== null && { published: row.published }),
  ...(row.account !== null && { createdBy: row.account }),
  createdAt: new Date(row.created_at).toISOString(),
  ...(row.started_at !== null && { startedAt: new Date(row.started_at).toISOString() }),
  ...(row.ended_at !== null && { endedAt: new Date(row.ended_at).toISOString() }),
});
