import { existsSync } from "node:fs";
import { isBuilt } from "@modulehub/api/testing/s3-servers";
import { expect, test } from "vitest";
import { runCollection } from "./collection.ts";
import { runKills } from "./kills.ts";
import { canTrace, cutPower } from "./power/power-cut.ts";
import { runSteps } from "./steps.ts";

/** Kills of each kind of hub; or as many as fit into so many milliseconds. */
const KILLS = { count: 100, time: 60_000 };

/** Printed, so that a failure can be had again. */
const SEED = Number(process.env.MODULEHUB_FAULT_SEED ?? Date.now() % 2 ** 31);
const sum = (faults: Map<string, number>) => [...faults.values()].reduce((total, count) => total + count, 0);

test(`an embedded hub keeps what it answered when its parts are killed (seed ${SEED})`, async () => {
  const { faults, answered } = await runKills({ ...KILLS, seed: SEED, database: "embedded" });
  expect(sum(faults)).toBeGreaterThan(0);
  expect(answered).toBeGreaterThan(0);
});

test(`so does one on PostgreSQL, which is killed too (seed ${SEED})`, async (context) => {
  if (!existsSync("/usr/lib/postgresql")) context.skip("PostgreSQL is not installed");
  const { faults, answered } = await runKills({ ...KILLS, seed: SEED, database: "postgresql" });
  expect(sum(faults)).toBeGreaterThan(0);
  expect(answered).toBeGreaterThan(0);
});

test(`so does one whose blobs are in an S3 server, which is killed too (seed ${SEED})`, async (context) => {
  if (!existsSync("/usr/lib/postgresql")) context.skip("PostgreSQL is not installed");
  if (!isBuilt("versitygw")) context.skip("node scripts/build-s3-servers.ts has not been run");
  const { faults, answered } = await runKills({
    ...KILLS,
    seed: SEED,
    database: "postgresql",
    store: "versitygw",
  });
  expect(sum(faults)).toBeGreaterThan(0);
  expect(answered).toBeGreaterThan(0);
});

test(`no effect on database or store that fails, or is the last one, costs anything (seed ${SEED})`, async () => {
  const { faults, answered } = await runSteps({
    seed: SEED,
    count: 300,
    time: 180_000,
    database: "embedded",
  });
  expect(sum(faults)).toBeGreaterThan(0);
  expect(answered).toBeGreaterThan(0);
});

test(`of 32 writers none loses a blob to the collections of 2 replicas (seed ${SEED})`, async (context) => {
  if (!existsSync("/usr/lib/postgresql")) context.skip("PostgreSQL is not installed");
  const { operations, collected } = await runCollection({ seed: SEED, operations: 20_000 });
  expect(operations).toBeGreaterThanOrEqual(20_000);
  expect(collected).toBeGreaterThan(0);
});

test(`a power cut costs nothing that was answered, whatever else reached the disk (seed ${SEED})`, async (context) => {
  if (!canTrace()) context.skip("strace is not installed, or nothing may be traced here");
  const result = await cutPower({ seed: SEED, changes: 16, cuts: 6 });
  expect(result.cuts).toBe(6);
  expect(result.syncs).toBeGreaterThan(20);
});

test("the rebuilt disk would show it: without the log's syncs, or the blobs', something is lost", async (context) => {
  if (!canTrace()) context.skip("strace is not installed, or nothing may be traced here");
  for (const part of ["/pg_wal/", "/data/blobs"])
    await expect(
      cutPower({ seed: SEED, changes: 12, cuts: 10, forget: (path) => path.includes(part) }),
      part,
    ).rejects.toThrow(/cut \d+/);
});
