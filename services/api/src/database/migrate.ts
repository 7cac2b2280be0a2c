import { createHash, randomUUID } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Database } from "./client.ts";

const MIGRATIONS = join(import.meta.dirname, "../../../../migrations");

/** One lock for all replicas that start at once; any number does, so long as nothing else takes it. */
const LOCK = 7_242_911_350;

/** Prisma's own table, so that its tools read what was applied here. */
const TABLE = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" VARCHAR(36) PRIMARY KEY,
  "checksum" VARCHAR(64) NOT NULL,
  "finished_at" TIMESTAMPTZ,
  "migration_name" VARCHAR(255) NOT NULL,
  "logs" TEXT,
  "rolled_back_at" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
  "applied_steps_count" INTEGER NOT NULL DEFAULT 0
)`;

interface Migration {
  name: string;
  sql: string;
  checksum: string;
}

/**
 * Applies the migrations that this database lacks, oldest first, each in one transaction with its row, under
 * an advisory lock. Returns their names. Throws when an applied one was changed since, or is not known here:
 * then the database belongs to another version of the hub.
 */
export async function migrate(database: Database, folder: string = MIGRATIONS): Promise<string[]> {
  const migrations = await readMigrations(folder);
  await underLock(database, TABLE);
  const applied = new Map(
    (
      await database.prisma.$queryRaw<{ migration_name: string; checksum: string }[]>`
        SELECT migration_name, checksum FROM _prisma_migrations WHERE finished_at IS NOT NULL`
    ).map((row) => [row.migration_name, row.checksum]),
  );
  const known = new Set(migrations.map(({ name }) => name));
  for (const name of applied.keys())
    if (!known.has(name))
      throw new Error(`The database was migrated by a newer hub (${name}); start that version.`);
  const missing: string[] = [];
  for (const migration of migrations) {
    const checksum = applied.get(migration.name);
    if (checksum === undefined) {
      await apply(database, migration);
      missing.push(migration.name);
    } else if (checksum !== migration.checksum)
      throw new Error(`Migration ${migration.name} was changed after it was applied; restore its file.`);
  }
  return missing;
}

async function readMigrations(folder: string): Promise<Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  return Promise.all(
    names.sort().map(async (name) => {
      if (!/^\d{14}_\w+$/.test(name)) throw new Error(`migrations/${name} is not named <14 digits>_<words>.`);
      const sql = await readFile(join(folder, name, "migration.sql"), "utf8");
      return { name, sql, checksum: createHash("sha256").update(sql).digest("hex") };
    }),
  );
}

/** The block raises when another process applied the same migration while this one waited for the lock. */
async function apply(database: Database, { name, sql, checksum }: Migration): Promise<void> {
  const marker = `modulehub: ${name} is applied`;
  try {
    await underLock(
      database,
      `DO $$ BEGIN
         IF EXISTS (SELECT FROM _prisma_migrations WHERE migration_name = '${name}') THEN
           RAISE EXCEPTION '${marker}';
         END IF;
       END $$;
       ${sql};
       INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count)
       VALUES ('${randomUUID()}', '${checksum}', now(), '${name}', 1)`,
    );
  } catch (error) {
    if (!(error instanceof Error && error.message.includes(marker))) throw error;
  }
}

/** A script of several statements is one implicit transaction on both drivers: the lock lasts as long. */
async function underLock(database: Database, sql: string): Promise<void> {
  await database.script(`SELECT pg_advisory_xact_lock(${LOCK}); ${sql}`);
}
