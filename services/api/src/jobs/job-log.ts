import { type JobLogLine, LOG_LEVELS } from "@modulehub/core";
import { z } from "zod";
import type { Queries } from "../database/client.ts";
import { decodeCursor, encodeCursor } from "../registry/cursor.ts";

/** Lines of one job that are kept at most: a job that says more has its oldest ones forgotten. */
const MOST_LINES = 2_000;
const MOST_CHARACTERS = 2_000;

/** Adds a line to a job's log. Texts of other people's data may be in it. */
export async function addLogLine(
  queries: Queries,
  job: string,
  level: JobLogLine["level"],
  message: string,
): Promise<void> {
  const text = message.replaceAll("\0", "\ufffd").toWellFormed().slice(0, MOST_CHARACTERS).toWellFormed();
  await queries.$executeRaw`
    INSERT INTO job_log (job_id, number, level, message)
    SELECT ${job}, coalesce(max(number), 0) + 1, ${level}, ${text} FROM job_log WHERE job_id = ${job}`;
  await queries.$executeRaw`
    DELETE FROM job_log WHERE job_id = ${job}
      AND number <= (SELECT max(number) FROM job_log WHERE job_id = ${job}) - ${MOST_LINES}`;
}

/** A page of a job's log, oldest line first. */
export async function readLog(
  queries: Queries,
  job: string,
  page: { limit: number; cursor?: string | undefined },
): Promise<{ items: JobLogLine[]; next?: string }> {
  const after = page.cursor === undefined ? 0 : decodeCursor(z.int32(), page.cursor);
  const rows = await queries.jobLog.findMany({
    where: { jobId: job, number: { gt: after } },
    orderBy: { number: "asc" },
    take: page.limit,
  });
  const items = rows.map(({ at, level, message }) => ({
    at: at.toISOString(),
    level: z.enum(LOG_LEVELS).parse(level),
    message,
  }));
  return rows.length === page.limit ? { items, next: encodeCursor(rows.at(-1)!.number) } : { items };
}
