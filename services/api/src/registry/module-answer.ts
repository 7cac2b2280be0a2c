import type { Visibility } from "@modulehub/core";
import type { Queries } from "../database/client.ts";
import { Prisma } from "../database/generated/client.ts";
import { type Shown, shownSchema } from "./listing.ts";

/** What can be said of one module. */
export interface ModuleAnswer extends Partial<Omit<Shown, "task">> {
  module: string;
  publisher: string;
  visibility: Visibility;
  createdAt: string;
  /** Absent while no version can be seen, as is what its card says. */
  latest?: { version: number; digest: string; task: string; publishedAt: string; size: number };
}

/** The columns of a listing that an answer needs. */
export interface ListedRow {
  name: string;
  publisher_id: string;
  visibility: Visibility;
  created_at: Date;
  changed_at: Date;
  version: number | null;
  digest: string | null;
  size: bigint;
  shown: unknown;
}

export const LISTED_COLUMNS = Prisma.sql`l.name, l.publisher_id, l.visibility, l.created_at, l.changed_at,
  l.version, l.digest, l.size, l.shown`;

/** What is said of the module with an id; it has a row from its first draft on. */
export async function describeModule(queries: Queries, moduleId: number): Promise<ModuleAnswer> {
  const [row] = await queries.$queryRaw<ListedRow[]>`
    SELECT ${LISTED_COLUMNS} FROM listing l WHERE l.module_id = ${moduleId}`;
  if (row === undefined) throw new Error(`Module ${moduleId} is in no list.`);
  return answerOf(row);
}

export function answerOf(row: ListedRow): ModuleAnswer {
  const answer: ModuleAnswer = {
    module: row.name,
    publisher: row.publisher_id,
    visibility: row.visibility,
    createdAt: new Date(row.created_at).toISOString(),
  };
  if (row.version === null || row.digest === null) return answer;
  const { task, ...shown } = shownSchema.parse(row.shown);
  const latest = {
    version: row.version,
    digest: row.digest,
    task,
    publishedAt: new Date(row.changed_at).toISOString(),
    size: Number(row.size),
  };
  return { ...answer, ...shown, latest };
}
