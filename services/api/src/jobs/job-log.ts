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

/** The number of the newest line of a job's log. */
export async function lastLine(queries: Queries, job: string): Promise<number> {
  const last = await queries.jobLog.aggregate({ where: { jobId: job }, _max: { number: true } });
  return last._max.number ?? 0;
}

/** The lines behind a line of a job's log, with their numbers. */
export async function linesAfter(
  queries: Queries,
  job: string,
  number: number,
  limit: number,
): Promise<{ number: number; line: JobLogLine }[]> {
  const rows = await queries.jobLog.findMany({
    where: { jobId: job, number: { gt: number } },
    orderBy: { number: "asc" },
    take: limit,
  });
  return rows.map(({ at, level, message, ...row }) => ({
    number: row.number,
    line: { at: at.toISOString(), level: z.enum(LOG_LEVELS).parse(level), message },
  }));
}

/** A page of a job's log, oldest line first. */
export async function readLog(
  queries: Queries,
  job: string,
  page: { limit: number; cursor?: string | undefined },
): Promise<{ items: JobLogLine[]; next?: string }> {
  const after = page.cursor === undefined ? 0 : decodeCursor(z.int32(), page.cursor);
  const rows = await linesAfter(queries, job, after, page.limit);
  const items = rows.map(({ line }) => line);
  return rows.length === page.limit ? { items, next: encodeCursor(rows.at(-1)!.number) } : { items };
}
