import type { Database } from "../database/client.ts";
import type { Finding } from "./finding.ts";

/** A version's file, and its documentation's at any revision. */
const FILES = `
  SELECT version_id, path, digest, 'version' AS kind FROM version_file
  UNION SELECT version_id, path, digest, 'documentation' FROM documentation_file`;

/** What rows say against each other. */
export async function checkRows({ prisma }: Database): Promise<Finding[]> {
  const ask = (sql: string) => prisma.$queryRawUnsafe<{ subject: string; detail: string | null }[]>(sql);
  const findings: Finding[] = [];
  const note = async (kind: Finding["kind"], sql: string) => {
    for (const { subject, detail } of await ask(sql))
      findings.push({ kind, subject, ...(detail !== null && { detail }) });
  };
  await note(
    "version-lacks-bytes",
    `SELECT m.name || '/' || v.number AS subject, f.path || ' ' || f.digest AS detail
     FROM (${FILES}) f JOIN version v ON v.id = f.version_id JOIN module m ON m.id = v.module_id
     WHERE NOT EXISTS (SELECT FROM blob b WHERE b.digest = f.digest) ORDER BY v.id, f.path`,
  );
  await note(
    "version-lacks-reference",
    `SELECT m.name || '/' || v.number AS subject, f.path || ' ' || f.digest AS detail
     FROM (${FILES}) f JOIN version v ON v.id = f.version_id JOIN module m ON m.id = v.module_id
     WHERE EXISTS (SELECT FROM blob b WHERE b.digest = f.digest) AND NOT EXISTS (
       SELECT FROM blob b JOIN blob_reference r ON r.blob_id = b.id
       WHERE b.digest = f.digest AND r.holder_kind = f.kind AND r.holder_id = v.id::text)
     ORDER BY v.id, f.path`,
  );
  await note(
    "bytes-being-deleted",
    `SELECT b.storage_key AS subject, b.digest AS detail FROM blob b
     WHERE b.state = 'deleting' AND EXISTS (SELECT FROM blob_reference r WHERE r.blob_id = b.id)`,
  );
  await note(
    "reference-to-nothing",
    `SELECT r.holder_kind || ' ' || r.holder_id AS subject, b.digest AS detail
     FROM blob_reference r JOIN blob b ON b.id = r.blob_id WHERE ${HOLDER_IS_GONE} ORDER BY 1`,
  );
  await note(
    "number-would-be-reused",
    `SELECT m.name AS subject, 'next ' || m.next_version || ', given ' || g.given AS detail
     FROM module m CROSS JOIN LATERAL (${GIVEN}) g WHERE g.given >= m.next_version`,
  );
  await note(
    "module-not-listed",
    `SELECT m.name AS subject, NULL AS detail FROM module m
     WHERE NOT EXISTS (SELECT FROM listing l WHERE l.module_id = m.id)`,
  );
  return findings;
}

/** The highest number that a module has given. */
export const GIVEN = `
  SELECT greatest(
    (SELECT max(number) FROM version v WHERE v.module_id = m.id),
    (SELECT max(version) FROM tombstone t WHERE t.lower_name = m.lower_name)) AS given`;

/** Of `r`, a reference: what it names is not there. */
export const HOLDER_IS_GONE = `CASE r.holder_kind
  WHEN 'upload' THEN NOT EXISTS (SELECT FROM upload u WHERE u.id = r.holder_id)
  WHEN 'draft' THEN NOT EXISTS (SELECT FROM draft d WHERE d.id = r.holder_id)
  WHEN 'head' THEN NOT EXISTS (SELECT FROM head h WHERE h.module_id::text = r.holder_id)
  WHEN 'version' THEN NOT EXISTS (SELECT FROM version v WHERE v.id::text = r.holder_id)
  WHEN 'documentation' THEN NOT EXISTS (SELECT FROM version v WHERE v.id::text = r.holder_id)
  WHEN 'data-set' THEN NOT EXISTS (SELECT FROM job j WHERE j.id = r.holder_id)
  WHEN 'checkpoint' THEN NOT EXISTS (SELECT FROM job j WHERE j.id = r.holder_id)
  WHEN 'job-file' THEN NOT EXISTS (SELECT FROM job j WHERE j.id = r.holder_id)
  ELSE false END`;
