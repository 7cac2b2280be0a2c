import type { Database } from "../database/client.ts";
import { inTransaction } from "../database/transaction.ts";
import { refreshListing } from "./listing.ts";

/** Makes the rows of modules that lists lack, as after a migration that can't make them. Returns how many. */
export async function makeMissingListings(database: Database): Promise<number> {
  const missing = await database.prisma.$queryRaw<{ id: number }[]>`
    SELECT m.id FROM module m WHERE NOT EXISTS (SELECT FROM listing l WHERE l.module_id = m.id) ORDER BY m.id`;
  for (const { id } of missing) await inTransaction(database, (tx) => refreshListing(tx, id));
  return missing.length;
}
