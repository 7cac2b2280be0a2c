import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openDatabase } from "./client.ts";
import { inTransaction } from "./transaction.ts";

// Has one connection, so that no two transactions wait for each other: the error is PostgreSQL's, raised by hand.
const database = await openDatabase({ kind: "memory" });
afterAll(() => database.close());

test("a change that the database ended for a deadlock is made again, whole", async () => {
  await database.script("CREATE TABLE made (attempt int)");
  let attempts = 0;
  const answer = await inTransaction(database, async (tx) => {
    attempts += 1;
    await tx.$executeRaw`INSERT INTO made VALUES (${attempts})`;
    if (attempts < 3) await tx.$executeRaw`DO $$ BEGIN RAISE deadlock_detected; END $$`;
    return "done";
  });
  expect(answer).toBe("done");
  expect(await database.prisma.$queryRaw`SELECT attempt FROM made`).toEqual([{ attempt: 3 }]);
});

test("one that never gets through is given up, and any other error is told at once", async () => {
  const attemptsAt = async (error: string) => {
    let attempts = 0;
    const change = inTransaction(database, async (tx) => {
      attempts += 1;
      await tx.$executeRawUnsafe(`DO $$ BEGIN RAISE ${error}; END $$`);
    });
    await expect(change).rejects.toThrow();
    return attempts;
  };
  expect(await attemptsAt("deadlock_detected")).toBe(5);
  expect(await attemptsAt("unique_violation")).toBe(1);
});

test("every change goes through it, but a move, which is no change of a hub at work", () => {
  const src = join(import.meta.dirname, "..");
  const files = globSync("**/*.ts", { cwd: src }).filter(
    (file) => !/\.test\.ts$|database\/generated/.test(file),
  );
  expect(files).toContain(join("jobs", "retention.ts"));
  const bare = files.filter((file) => readFileSync(join(src, file), "utf8").includes("$transaction("));
  expect(bare.sort()).toEqual([join("database", "transaction.ts"), join("move", "copy-rows.ts")]);
});
