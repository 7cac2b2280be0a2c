import { collectGarbage } from "../blobs/garbage-collection.ts";
import { makeMissingListings } from "../registry/missing-listings.ts";
import { type CheckDeps, checkBytes } from "./check-bytes.ts";
import { checkRows, GIVEN, HOLDER_IS_GONE } from "./check-rows.ts";
import type { Finding } from "./finding.ts";

export interface CheckOptions {
  /** Reads every byte and compares its digest. */
  deep: boolean;
  /** Seconds that bytes without a reference may stay, as the hub's. */
  grace: number;
}

/** Every difference between what the database says and what the store has. Changes nothing. */
export async function checkConsistency(deps: CheckDeps, { deep, grace }: CheckOptions): Promise<Finding[]> {
  return [...(await checkRows(deps.database)), ...(await checkBytes(deps, deep, grace))];
}

/**
 * Mends what can be mended without loss: references that are missing are made, those to nothing go, bytes that are
 * relied on are no longer marked, numbers move on, lists are filled, and then what nothing relies on is collected. Of
 * damage nothing is touched. May run beside a hub: each step is one statement that the hub's own rules allow.
 */
export async function repair({ database, store }: CheckDeps, grace: number): Promise<void> {
  const { prisma } = database;
  const run = (sql: string) => prisma.$executeRawUnsafe(sql);
  await run(`UPDATE blob b SET state = 'stored', touched_at = clock_timestamp()
    WHERE state = 'deleting' AND EXISTS (SELECT FROM blob_reference r WHERE r.blob_id = b.id)
      AND NOT EXISTS (SELECT FROM blob o WHERE o.digest = b.digest AND o.state = 'stored')`);
  for (const [kind, table] of [
    ["version", "version_file"],
    ["documentation", "documentation_file"],
  ])
    await run(`WITH kept AS (
        UPDATE blob b SET touched_at = clock_timestamp()
        FROM (SELECT DISTINCT f.version_id, f.digest FROM ${table} f) f
        WHERE b.digest = f.digest AND b.state = 'stored' AND NOT EXISTS (
          SELECT FROM blob_reference r
          WHERE r.blob_id = b.id AND r.holder_kind = '${kind}' AND r.holder_id = f.version_id::text)
        RETURNING b.id, b.digest)
      INSERT INTO blob_reference (blob_id, holder_kind, holder_id, publisher_id)
      SELECT DISTINCT kept.id, '${kind}', f.version_id::text, m.publisher_id
      FROM kept JOIN ${table} f ON f.digest = kept.digest
      JOIN version v ON v.id = f.version_id JOIN module m ON m.id = v.module_id
      ON CONFLICT DO NOTHING`);
  await run(`DELETE FROM blob_reference r WHERE ${HOLDER_IS_GONE}`);
  await run(`UPDATE module u SET next_version = g.given + 1
    FROM module m CROSS JOIN LATERAL (${GIVEN}) g WHERE m.id = u.id AND g.given >= u.next_version`);
  await makeMissingListings(database);
  await collectGarbage({ database, store, log: { warn: () => undefined } }, grace);
}
