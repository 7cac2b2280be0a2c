import type { Database, Queries } from "../database/client.ts";

/** Rows that are read and written at once. */
const BATCH = 500;

/** Prisma ends a transaction after this long, in milliseconds: a move takes as long as it takes. */
const UNLIMITED = 24 * 3_600_000;

export interface Table {
  name: string;
  rows: number;
}

/** What became of a row on its way, by table. */
export type Change = (queries: Queries) => Promise<void>;

/**
 * Copies every row of every table as it is, in one transaction: ids, times, hashes and revisions stay, and the
 * sequences go on where they were. The target's own tables are emptied first; its caller made sure that they hold
 * nothing of value. `last` runs at the end, in the same transaction. Returns the tables, with how many rows they have.
 */
export async function copyRows(from: Database, to: Database, last: Change): Promise<Table[]> {
  const options = { timeout: UNLIMITED, maxWait: 30_000 };
  return from.prisma.$transaction(
    (source) =>
      to.prisma.$transaction(async (target) => {
        await target.$executeRaw`
          SELECT set_config(name, '0', true) FROM pg_settings
          WHERE name IN ('transaction_timeout', 'idle_in_transaction_session_timeout')`;
        const tables = await tablesOf(target);
        for (const table of tables.toReversed()) await target.$executeRawUnsafe(`DELETE FROM "${table}"`);
        const copied: Table[] = [];
        for (const table of tables)
          copied.push({ name: table, rows: await copyTable(source, target, table) });
        await copySequences(source, target);
        await last(target);
        return copied;
      }, options),
    options,
  );
}

/** The hub's tables, each behind those that it refers to. */
async function tablesOf(queries: Queries): Promise<string[]> {
  const rows = await queries.$queryRaw<{ name: string; refers: string[] }[]>`
    SELECT c.relname AS name, array_remove(array_agg(DISTINCT f.relname::text), NULL) AS refers
    FROM pg_class c
    LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid <> c.oid
    LEFT JOIN pg_class f ON f.oid = k.confrelid
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname !~ '^_'
    GROUP BY c.relname ORDER BY c.relname`;
  const ordered: string[] = [];
  while (ordered.length < rows.length) {
    const next = rows.filter(
      ({ name, refers }) => !ordered.includes(name) && refers.every((each) => ordered.includes(each)),
    );
    if (next.length === 0) throw new Error("The tables refer to each other in a circle.");
    ordered.push(...next.map(({ name }) => name));
  }
  return ordered;
}

/** As JSON in text: PostgreSQL writes it and reads it, and no number passes through JavaScript's. */
async function copyTable(source: Queries, target: Queries, table: string): Promise<number> {
  const cursor = `copy_${table}`;
  await source.$executeRawUnsafe(
    `DECLARE "${cursor}" CURSOR FOR SELECT to_jsonb(t)::text AS row FROM "${table}" t`,
  );
  let count = 0;
  for (;;) {
    const rows = await source.$queryRawUnsafe<{ row: string }[]>(`FETCH ${BATCH} FROM "${cursor}"`);
    if (rows.length === 0) break;
    await target.$executeRawUnsafe(
      `INSERT INTO "${table}" SELECT * FROM jsonb_populate_recordset(NULL::"${table}", $1::jsonb)`,
      `[${rows.map(({ row }) => row).join(",")}]`,
    );
    count += rows.length;
  }
  await source.$executeRawUnsafe(`CLOSE "${cursor}"`);
  const [there] = await target.$queryRawUnsafe<{ count: bigint }[]>(
    `SELECT count(*) AS count FROM "${table}"`,
  );
  if (Number(there?.count) !== count)
    throw new Error(`Of ${count} rows of ${table}, ${there?.count} have come.`);
  return count;
}

async function copySequences(source: Queries, target: Queries): Promise<void> {
  const sequences = await source.$queryRaw<{ name: string }[]>`
    SELECT relname AS name FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace ORDER BY 1`;
  for (const { name } of sequences) {
    const [state] = await source.$queryRawUnsafe<{ last: bigint; called: boolean }[]>(
      `SELECT last_value AS last, is_called AS called FROM "${name}"`,
    );
    await target.$queryRawUnsafe(
      `SELECT setval('"${name}"', $1::bigint, $2::boolean)::text AS value`,
      String(state?.last),
      state?.called,
    );
  }
}
