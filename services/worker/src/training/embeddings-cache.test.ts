import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, dataReadingSchema } from "@modulehub/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { temporaryFolder } from "../testing/modules.ts";
import { EmbeddingsCache } from "./embeddings-cache.ts";

let place: Awaited<ReturnType<typeof temporaryFolder>>;
let folder: string;
beforeEach(async () => {
  place = await temporaryFolder();
  folder = join(place.folder, "embeddings");
});
afterEach(() => place.remove());

const keyOf = (module: string) => ({
  module: `sha256:${module.repeat(64)}` as Digest,
  data: `sha256:${"d".repeat(64)}` as Digest,
  reading: dataReadingSchema.parse({ format: "csv" }),
});

async function opened(bytes: number): Promise<EmbeddingsCache> {
  const cache = new EmbeddingsCache(folder, bytes);
  await cache.open();
  return cache;
}

async function fill(cache: EmbeddingsCache, module: string, bytes: number): Promise<void> {
  const lease = await cache.lease(keyOf(module));
  expect(lease.complete).toBe(false);
  await writeFile(lease.path, Buffer.alloc(bytes));
  await lease.keep();
  await lease.release();
}

test("what was made is there for the next, and after a restart", async () => {
  const cache = await opened(1000);
  await fill(cache, "a", 100);
  const half = await cache.lease(keyOf("b"));
  await writeFile(half.path, "without a list of what is in it");
  expect(await readdir(folder)).toHaveLength(2);
  const later = await opened(1000);
  expect(await readdir(folder)).toHaveLength(1);
  const found = await later.lease(keyOf("a"));
  expect(found.complete).toBe(true);
  expect(later.bytes).toBe(100);
  expect((await later.lease({ ...keyOf("a"), sample: 20 })).complete).toBe(false);
});

/** Writes a part of what a lease is for, and ends there. */
async function begin(cache: EmbeddingsCache, module: string, end: "release" | "discard" | "crash") {
  const lease = await cache.lease(keyOf(module));
  await writeFile(lease.path, Buffer.alloc(100));
  await writeFile(lease.saved, Buffer.alloc(8));
  if (end === "discard") lease.discard();
  if (end !== "crash") await lease.release();
  return lease;
}

test("what a job was broken off at is given to the next one that needs it, and after a crash", async () => {
  const cache = await opened(1000);
  const { path } = await begin(cache, "a", "release");
  expect(cache.bytes).toBe(108);
  const again = await begin(cache, "a", "crash");
  expect(again).toMatchObject({ path, complete: false });
  // While one goes on with it, another that needs the same begins by itself, and leaves nothing half done.
  const other = await begin(cache, "a", "release");
  expect(other.path).not.toBe(path);
  expect((await readdir(folder)).map((name) => join(folder, name)).sort()).toEqual(
    [path, again.saved].sort(),
  );
  const later = await opened(1000);
  expect(later.bytes).toBe(108);
  const lease = await later.lease(keyOf("a"));
  expect(await readFile(lease.path)).toEqual(Buffer.alloc(100));
  await lease.keep();
  await lease.release();
  expect(await readdir(folder)).toHaveLength(1);
  expect(later.bytes).toBe(100);
});

test("of what was discarded nothing stays, and parts make room as the whole do", async () => {
  const cache = await opened(250);
  await begin(cache, "a", "discard");
  expect(await readdir(folder)).toEqual([]);
  await begin(cache, "b", "release");
  await fill(cache, "c", 100);
  await fill(cache, "d", 100);
  expect(await readdir(folder)).toHaveLength(2);
  expect((await cache.lease(keyOf("c"))).complete).toBe(true);
});

test("what was used longest ago goes first, and never what is in use", async () => {
  const cache = await opened(250);
  await fill(cache, "a", 100);
  const held = await cache.lease(keyOf("a"));
  await fill(cache, "b", 100);
  await fill(cache, "c", 100);
  expect((await cache.lease(keyOf("b"))).complete).toBe(false);
  expect((await cache.lease(keyOf("c"))).complete).toBe(true);
  expect(cache.bytes).toBe(200);
  await held.release();
});

test("two jobs that make the same at once both come through, and one file is kept", async () => {
  await mkdir(folder, { recursive: true });
  const cache = await opened(1000);
  const [one, other] = [await cache.lease(keyOf("a")), await cache.lease(keyOf("a"))];
  for (const lease of [one, other]) {
    await writeFile(lease.path, Buffer.alloc(100));
    await lease.keep();
  }
  for (const lease of [one, other]) await lease.release();
  expect(await readdir(folder)).toHaveLength(1);
  expect(cache.bytes).toBe(100);
});
