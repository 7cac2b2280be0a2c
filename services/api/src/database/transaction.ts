import { setTimeout as sleep } from "node:timers/promises";
import type { Database, Queries } from "./client.ts";
import { isDeadlock } from "./query-errors.ts";

/** How often a transaction is begun at most. */
const TRIES = 5;

/**
 * Runs a change in a transaction, and again where the database ended it because it and another one waited for each
 * other (PostgreSQL, 13.3.4): nothing of it is there then. A change touches nothing but its transaction, since it
 * may run several times. Most go through unhindered by one order of locks: drafts, then the module, then blobs.
 */
export async function inTransaction<T>(database: Database, change: (tx: Queries) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await database.prisma.$transaction(change, { timeout: 60_000, maxWait: 30_000 });
    } catch (error) {
      if (!isDeadlock(error) || tries === TRIES) throw error;
      // Not all at the same moment again.
      await sleep(Math.random() * 50 * tries);
    }
  }
}
