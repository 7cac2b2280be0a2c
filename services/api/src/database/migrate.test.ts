import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Database, openDatabase } from "./client.ts";
import { migrate } from "./migrate.ts";
import { isUniqueViolation } from "./query-errors.ts";

let database: Database;
let folder: string;
beforeAll(async () => {
  database = await openDatabase({ kind: "memory" });
  folder = await mkdtemp(join(tmpdir(), "modulehub-migrations-"));
}, 30_000);
afterAll(async () => {
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

const write = async (name: string, sql: string) => {
  await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, name, "migration.sql"), sql);
};

test("migrations are applied once, in order, and those that came since later", async () => {
  await write("20260101000000_first", 'CREATE TABLE "one" ("id" INTEGER PRIMARY KEY)');
  expect(await migrate(database, folder)).toEqual(["20260101000000_first"]);
  await write("20260102000000_second", 'ALTER TABLE "one" ADD COLUMN "name" TEXT;');
  expect(await migrate(database, folder)).toEqual(["20260102000000_second"]);
  expect(await migrate(database, folder)).toEqual([]);
});

test("a migration that fails leaves nothing of itself, and can be mended", async () => {
  await write("20260103000000_third", 'CREATE TABLE "two" ("id" INTEGER); SELECT broken;');
  await expect(migrate(database, folder)).rejects.toThrow("broken");
  await write("20260103000000_third", 'CREATE TABLE "two" ("id" INTEGER)');
  expect(await migrate(database, folder)).toEqual(["20260103000000_third"]);
});

test("an applied migration that was changed stops the start, and so does one that is not known", async () => {
  await write("20260101000000_first", 'CREATE TABLE "other" ("id" INTEGER)');
  await expect(migrate(database, folder)).rejects.toThrow("was changed");
  await rm(join(folder, "20260101000000_first"), { recursive: true });
  await expect(migrate(database, folder)).rejects.toThrow("newer hub");
});

test("a unique violation is known for one, of raw SQL too", async () => {
  await database.script('CREATE TABLE "u" ("id" INTEGER PRIMARY KEY); INSERT INTO "u" VALUES (1)');
  const again = database.prisma.$executeRaw`INSERT INTO "u" VALUES (1)`;
  await expect(again.catch((error: unknown) => isUniqueViolation(error))).resolves.toBe(true);
  expect(isUniqueViolation(new Error("other"))).toBe(false);
});
