import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Database, openDatabase } from "../database/client.ts";
import { migrate } from "../database/migrate.ts";

const MIGRATIONS = join(import.meta.dirname, "../../../../migrations");
const PUBLISHER = "20261123224500_tombstone_publisher";

let database: Database;
let folder: string;
beforeEach(async () => {
  database = await openDatabase({ kind: "memory" });
  folder = await mkdtemp(join(tmpdir(), "modulehub-tombstones-"));
}, 30_000);
afterEach(async () => {
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

const copy = (name: string) => cp(join(MIGRATIONS, name), join(folder, name), { recursive: true });

test("tombstones of before are of the publisher that their names speak of", async () => {
  const names = (await readdir(MIGRATIONS)).sort();
  for (const name of names.filter((each) => each < PUBLISHER)) await copy(name);
  await migrate(database, folder);
  await database.script(`
    INSERT INTO tombstone (lower_name, version) VALUES ('acme/words/small', 0), ('acme/words', 3), ('acme', 0)`);
  await copy(PUBLISHER);
  await migrate(database, folder);
  const rows = await database.prisma.tombstone.findMany({ orderBy: { lowerName: "asc" } });
  expect(rows.map(({ lowerName, publisherId }) => [lowerName, publisherId])).toEqual([
    ["acme", "acme"],
    ["acme/words", "acme"],
    ["acme/words/small", "acme"],
  ]);
});
