import { PGlite } from "@electric-sql/pglite";
import { PrismaPg } from "@prisma/adapter-pg";
import pg from "pg";
import { type ConstructorOptions, fromPglite } from "pg-boss";
import { PrismaPGlite } from "pglite-prisma-adapter";
import { createDatabaseFolder } from "./create-folder.ts";
import { DurablePGlite, START_PARAMETERS } from "./durable-pglite.ts";
import { type Prisma, PrismaClient } from "./generated/client.ts";

/** Prisma's client, or the one of a transaction: what a query needs. */
export type Queries = PrismaClient | Prisma.TransactionClient;

/** An open database: PostgreSQL, or PGlite in a folder or in memory. The same code runs on each. */
export interface Database {
  prisma: PrismaClient;
  /** How the job queue reaches the same database. */
  jobOptions: ConstructorOptions;
  /** Whether no other process writes here, so that what this process caches of it stays exact. */
  exclusive: boolean;
  /** Runs SQL of several statements, without parameters, as one implicit transaction: for migrations. */
  script(sql: string): Promise<void>;
  close(): Promise<void>;
}

/** Where the database is: a `postgres://` URL, a folder of PGlite's, or PGlite in memory. */
export type DatabaseLocation =
  | { kind: "postgresql"; url: string }
  | { kind: "folder"; path: string }
  | { kind: "memory" };

/**
 * Opens a database. A folder is created if need be; its caller holds the data folder's lock. `onFault` hears where an
 * embedded one can't make anything durable any more: all its answers are errors then, until the process starts again.
 */
export async function openDatabase(
  location: DatabaseLocation,
  onFault: (fault: Error) => void = () => undefined,
): Promise<Database> {
  switch (location.kind) {
    case "postgresql":
      return openPostgres(location.url);
    case "folder":
      return openFolder(location.path, onFault);
    case "memory":
      return openMemory();
  }
}

/**
 * The most seconds that a transaction may be open. Prisma gives up earlier; the server's own limits are for a process
 * that hangs, or stands still, in the middle of one: for as long, others wait for the rows that it has locked, and no
 * collection takes those away.
 */
const TRANSACTION_TIMEOUT = 150;

/** PostgreSQL 17 has a limit for the whole; before, there is one for the time between two statements. */
const LIMIT_TRANSACTIONS = `
  SELECT set_config(name, '${TRANSACTION_TIMEOUT}s', false) FROM pg_settings
  WHERE name IN ('transaction_timeout', 'idle_in_transaction_session_timeout')`;

const UNLIMITED = `SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout'`;

async function openPostgres(url: string): Promise<Database> {
  const pool = new pg.Pool({
    connectionString: url,
    max: 10,
    connectionTimeoutMillis: 5_000,
    onConnect: async (client) => {
      await client.query(LIMIT_TRANSACTIONS);
    },
  });
  // An idle connection that breaks is replaced at the next query; without a listener it ends the process.
  pool.on("error", () => undefined);
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) });
  return {
    prisma,
    jobOptions: { connectionString: url, max: 4 },
    exclusive: false,
    script: async (sql) => {
      // A migration of a large table takes as long as it takes.
      await pool.query(`${UNLIMITED};\n${sql}`);
    },
    close: async () => {
      await prisma.$disconnect();
      await pool.end();
    },
  };
}

async function openFolder(path: string, onFault: (fault: Error) => void): Promise<Database> {
  await createDatabaseFolder(path);
  const pglite = await DurablePGlite.open(path, onFault).catch((cause: unknown) => {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `The embedded database can't be opened (${said}). Make room if the disk is full; if files of its folder are missing or damaged, restore the data folder from a backup.`,
      { cause },
    );
  });
  return embedded(pglite);
}

async function openMemory(): Promise<Database> {
  return embedded(await PGlite.create("memory://", { startParams: START_PARAMETERS }));
}

function embedded(pglite: PGlite): Database {
  const prisma = new PrismaClient({ adapter: new PrismaPGlite(pglite) });
  return {
    prisma,
    jobOptions: { db: fromPglite(pglite), backend: "pglite" },
    exclusive: true,
    script: async (sql) => {
      await pglite.exec(sql);
    },
    close: async () => {
      await prisma.$disconnect();
      await pglite.close();
    },
  };
}
