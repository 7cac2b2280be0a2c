import type { Queries } from "../database/client.ts";

/** Where the store has the bytes of each of some digests; one that it does not have is left out. */
export async function storedKeys(queries: Queries, digests: readonly string[]): Promise<Map<string, string>> {
  const wanted = [...new Set(digests)];
  const rows = await queries.$queryRaw<{ digest: string; storage_key: string }[]>`
    SELECT digest, storage_key FROM blob WHERE state = 'stored' AND digest = ANY(${wanted}::text[])`;
  return new Map(rows.map(({ digest, storage_key }) => [digest, storage_key]));
}
