import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openDatabase } from "./client.ts";
import { createDatabaseFolder } from "./create-folder.ts";

let data: string;
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "modulehub-folder-"));
});
afterEach(() => rm(data, { recursive: true, force: true }));

test("a start that was cut off while the database was made leaves nothing that the next one would take", async () => {
  await mkdir(join(data, "database.new-abc"));
  await writeFile(join(data, "database.new-abc", "PG_VERSION"), "half");
  await createDatabaseFolder(join(data, "database"));
  expect(await readdir(data)).toEqual(["database"]);
  const database = await openDatabase({ kind: "folder", path: join(data, "database") });
  expect(await database.prisma.$queryRaw`SELECT 1 AS one`).toEqual([{ one: 1 }]);
  await database.close();
}, 60_000);
