import { z } from "zod";
import type { Queries } from "../database/client.ts";
import { type Principal, visiblePublishers } from "../identity/principal.ts";
import { decodeCursor, encodeCursor, moment } from "../registry/cursor.ts";
import type { DraftState } from "./draft.ts";

const position = z.tuple([moment, z.uuid()]);

/** A draft in a list: without its files, and without the look at which of them are missing. */
export interface ListedDraft {
  id: string;
  state: DraftState;
  module: string;
  requestedVersion?: number;
  version?: number;
  digest?: string;
  /** How many files it lists, and their bytes. */
  files: number;
  bytes: number;
  /** Why it was rejected or failed: codes of the catalogue. */
  problems: string[];
  createdAt: string;
  updatedAt: string;
  expiresAt: string;
}

interface Row {
  id: string;
  state: DraftState;
  module: string;
  requested_version: number | null;
  version: number | null;
  digest: string | null;
  files: number;
  bytes: bigint | null;
  problems: string[] | null;
  created_at: Date;
  updated_at: Date;
  expires_at: Date;
}

/** A page of the drafts of modules that a principal may write, newest first. */
export async function listDrafts(
  queries: Queries,
  principal: Principal,
  page: {
    module?: string | undefined;
    state?: DraftState | undefined;
    limit: number;
    cursor?: string | undefined;
  },
): Promise<{ items: ListedDraft[]; next?: string }> {
  const visible = visiblePublishers(principal, "draft.read");
  const all = visible === "all";
  const own = visible === "all" ? [] : visible;
  const { limit, module = null, state = null } = page;
  const [time, id] = page.cursor === undefined ? [null, null] : decodeCursor(position, page.cursor);
  const rows = await queries.$queryRaw<Row[]>`
    SELECT d.id, d.state, m.name AS module, d.requested_version, d.version, d.digest,
           d.created_at, d.updated_at, d.expires_at, jsonb_array_length(d.files) AS files,
           (SELECT sum((file->>'size')::bigint)::bigint FROM jsonb_array_elements(d.files) file) AS bytes,
           (SELECT array_agg(problem->>'code') FROM jsonb_array_elements(d.problems) problem) AS problems
    FROM draft d JOIN module m ON m.id = d.module_id
    WHERE (${all} OR m.publisher_id = ANY(${own}::text[]))
      AND (${module}::text IS NULL OR m.name = ${module}) AND (${state}::text IS NULL OR d.state = ${state})
      AND (${time}::timestamptz IS NULL OR (d.created_at, d.id) < (${time}::timestamptz, ${id}))
    ORDER BY d.created_at DESC, d.id DESC LIMIT ${limit + 1}`;
  const items = rows.slice(0, limit).map(answerOf);
  const last = items.at(-1);
  return rows.length > limit && last ? { items, next: encodeCursor([last.createdAt, last.id]) } : { items };
}

const answerOf = (row: Row): ListedDraft => ({
  id: row.id,
  state: row.state,
  module: row.module,
  ...(row.requested_version !== null && { requestedVersion: row.requested_version }),
  ...(row.version !== null && { version: row.version }),
  ...(row.digest !== null && { digest: row.digest }),
  files: row.files,
  bytes: Number(row.bytes ?? 0),
  problems: row.problems ?? [],
  createdAt: new Date(row.created_at).toISOString(),
  updatedAt: new Date(row.updated_at).toISOString(),
  expiresAt: new Date(row.expires_at).toISOString(),
});
