import type { Database } from "../database/client.ts";

/** Every row of every table, as PostgreSQL writes it, and the state of every sequence. */
export async function rowsOf({ prisma }: Database): Promise<Record<string, string[]>> {
  const tables = await prisma.$queryRaw<{ name: string; kind: string }[]>`
    SELECT relname AS name, relkind::text AS kind FROM pg_class
    WHERE relkind IN ('r', 'S') AND relnamespace = 'public'::regnamespace AND relname !~ '^_' ORDER BY 1`;
  const rows: Record<string, string[]> = {};
  for (const { name, kind } of tables) {
    const row = kind === "S" ? "jsonb_build_object('last', last_value, 'called', is_called)" : "to_jsonb(t)";
    const found = await prisma.$queryRawUnsafe<{ row: string }[]>(
      `SELECT (${row})::text AS row FROM "${name}" t ORDER BY 1`,
    );
    rows[name] = found.map((each) => each.row);
  }
  return rows;
}
