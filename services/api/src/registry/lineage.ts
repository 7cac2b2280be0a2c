import {
  dataSetSchema,
  digestSchema,
  evaluationFiguresSchema,
  type Lineage,
  type Relative,
  type StoredEvaluation,
  splitSchema,
  trainingSettingsSchema,
  type Visibility,
} from "@modulehub/core";
import { z } from "zod";
import type { Queries } from "../database/client.ts";
import type { Module, Version } from "../database/generated/client.ts";
import { allows, type Principal, visiblePublishers } from "../identity/principal.ts";
import { decodeCursor, encodeCursor, moment } from "./cursor.ts";

/** Relatives that an answer holds at most, in each direction. */
const MOST = 1_000;

const figures = z.partialRecord(splitSchema, evaluationFiguresSchema);

interface RelativeRow {
  version_id: number | null;
  handle: string;
  digest: string;
  publisher: string | null;
  visibility: string | null;
  yanked: boolean;
}

/** What came from a version, and what it came from directly. */
interface DescendantRow extends RelativeRow {
  from_handle: string;
  from_publisher: string;
  from_visibility: string;
  at: Date;
}

/**
 * Where a version comes from and what came from it: what whoever asks may read of it. A base that was deleted is named
 * to those who may read the version; one that they may not read is not named, and ends the way up. What came from the
 * version by such a one is told, without it.
 */
export async function lineageOf(
  queries: Queries,
  principal: Principal,
  { module, version }: { module: Module; version: Version },
): Promise<Lineage> {
  const up = await ancestors(queries, version.id);
  const seen: Relative[] = [];
  for (const row of up) {
    if (!isSeen(principal, row)) break;
    seen.push(relativeOf(row));
  }
  const own = await queries.lineage.findUnique({ where: { versionId: version.id } });
  const [base, ...older] = seen;
  return {
    handle: `${module.name}/${version.number}`,
    digest: digestSchema.parse(version.digest),
    ...(own !== null && {
      trainedFrom: {
        ...(base !== undefined && { base }),
        dataSet: dataSetSchema.parse(own.dataSet),
        settings: trainingSettingsSchema.parse(own.settings),
        figures: figures.parse(own.figures),
        at: own.createdAt.toISOString(),
      },
    }),
    ancestors: older,
    descendants: (await descendants(queries, version.id))
      .filter((row) => isSeen(principal, row))
      .map((row) => ({
        ...relativeOf(row),
        ...(isSeen(principal, { publisher: row.from_publisher, visibility: row.from_visibility }) && {
          from: row.from_handle,
        }),
        at: new Date(row.at).toISOString(),
      })),
  };
}

/** Whether whoever asks may know of a relative. What was deleted has nobody left to ask, and is only a name. */
const isSeen = (
  principal: Principal,
  { publisher, visibility }: Pick<RelativeRow, "publisher" | "visibility">,
): boolean =>
  publisher === null || allows(principal, "module.read", { publisher, visibility: visibility as Visibility });

const relativeOf = (row: RelativeRow): Relative => ({
  handle: row.handle,
  digest: digestSchema.parse(row.digest),
  ...(row.yanked && { yanked: true }),
  ...(row.version_id === null && { deleted: true }),
});

/** Bases, nearest first. No version can come from itself: a base is older than what is trained from it. */
const ancestors = (queries: Queries, versionId: number): Promise<RelativeRow[]> => queries.$queryRaw`
  WITH RECURSIVE up AS (
    SELECT l.*, 1 AS depth FROM lineage l WHERE l.version_id = ${versionId}
    UNION ALL
    SELECT l.*, up.depth + 1 FROM up JOIN lineage l ON l.version_id = up.base_version_id WHERE up.depth < ${MOST})
  SELECT v.id AS version_id, coalesce(m.name || '/' || v.number, up.base_handle) AS handle,
         up.base_digest AS digest, m.publisher_id AS publisher, m.visibility, v.yanked_at IS NOT NULL AS yanked
  FROM up LEFT JOIN version v ON v.id = up.base_version_id LEFT JOIN module m ON m.id = v.module_id
  ORDER BY up.depth`;

/** What was trained from a version, directly or not, newest first. All bases on the way down are there. */
const descendants = (queries: Queries, versionId: number): Promise<DescendantRow[]> => queries.$queryRaw`
  WITH RECURSIVE down AS (
    SELECT l.*, 1 AS depth FROM lineage l WHERE l.base_version_id = ${versionId}
    UNION ALL
    SELECT l.*, down.depth + 1 FROM down JOIN lineage l ON l.base_version_id = down.version_id
    WHERE down.depth < ${MOST})
  SELECT v.id AS version_id, m.name || '/' || v.number AS handle, v.digest,
         m.publisher_id AS publisher, m.visibility, v.yanked_at IS NOT NULL AS yanked,
         bm.name || '/' || b.number AS from_handle, bm.publisher_id AS from_publisher,
         bm.visibility AS from_visibility, down.created_at AS at
  FROM down JOIN version v ON v.id = down.version_id JOIN module m ON m.id = v.module_id
  JOIN version b ON b.id = down.base_version_id JOIN module bm ON bm.id = b.module_id
  ORDER BY down.created_at DESC, v.id DESC LIMIT ${MOST}`;

const position = z.tuple([moment, z.string()]);

/**
 * A page of a version's evaluations, newest first: those of the module's own publisher, and of publishers that whoever
 * asks is a member of. So nobody can write on another publisher's page.
 */
export async function listEvaluations(
  queries: Queries,
  principal: Principal,
  { module, version }: { module: Module; version: Version },
  page: { limit: number; cursor?: string | undefined },
): Promise<{ items: StoredEvaluation[]; next?: string }> {
  const visible = visiblePublishers(principal, "member.read");
  const all = visible === "all";
  const own = visible === "all" ? [] : visible;
  const [time, id] = page.cursor === undefined ? [null, null] : decodeCursor(position, page.cursor);
  const rows = await queries.$queryRaw<
    { job_id: string; publisher_id: string; data_set: unknown; figures: unknown; created_at: Date }[]
  >`
    SELECT job_id, publisher_id, data_set, figures, created_at FROM evaluation
    WHERE version_id = ${version.id}
      AND (${all} OR publisher_id = ${module.publisherId} OR publisher_id = ANY(${own}::text[]))
      AND (${time}::timestamptz IS NULL OR (created_at, job_id) < (${time}::timestamptz, ${id}))
    ORDER BY created_at DESC, job_id DESC LIMIT ${page.limit + 1}`;
  const items = rows.slice(0, page.limit).map((row) => ({
    job: row.job_id,
    publisher: row.publisher_id,
    dataSet: dataSetSchema.parse(row.data_set),
    figures: evaluationFiguresSchema.parse(row.figures),
    at: new Date(row.created_at).toISOString(),
  }));
  const last = items.at(-1);
  return rows.length > page.limit && last ? { items, next: encodeCursor([last.at, last.job]) } : { items };
}
