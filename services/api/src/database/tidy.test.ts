import { afterAll, beforeAll, expect, test } from "vitest";
import { type Database, openDatabase } from "./client.ts";
import { tidy } from "./tidy.ts";

let database: Database;
beforeAll(async () => {
  database = await openDatabase({ kind: "memory" });
  await database.script(`CREATE TABLE "Much Changed" (a int PRIMARY KEY, b text);
    INSERT INTO "Much Changed" SELECT i, 'x' FROM generate_series(1, 1000) i;
    UPDATE "Much Changed" SET b = 'y' WHERE a % 2 = 0`);
}, 60_000);
afterAll(() => database.close());

const seen = async () => {
  await database.script("SELECT pg_stat_force_next_flush()");
  const [row] = await database.prisma.$queryRaw<{ dead: bigint; known: number }[]>`
    SELECT s.n_dead_tup AS dead, c.reltuples AS known
    FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid WHERE s.relname = 'Much Changed'`;
  return row;
};

test("tables that have changed much lose their dead rows and are known to the planner, others are left", async () => {
  expect(await seen()).toEqual({ dead: 500n, known: -1 });
  expect(await tidy(database)).toEqual(['public."Much Changed"']);
  expect(await seen()).toEqual({ dead: 0n, known: 1000 });
  expect(await tidy(database)).toEqual([]);
  await database.script(`UPDATE "Much Changed" SET b = 'z' WHERE a <= 20`);
  expect(await tidy(database)).toEqual([]);
});

test("a database of its own server is left to that server", async () => {
  expect(await tidy({ ...database, exclusive: false })).toEqual([]);
});
