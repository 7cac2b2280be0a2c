import { randomUUID } from "node:crypto";
import { mkdtemp, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { problem } from "@modulehub/core";
import fastify from "fastify";
import { Registry } from "prom-client";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { BlobStore } from "../blobs/blob-store.ts";
import { openFilesystemStore } from "../blobs/filesystem-store.ts";
import { type Database, openDatabase } from "../database/client.ts";
import { migrate } from "../database/migrate.ts";
import { createRowNews } from "../database/row-news.ts";
import type { DraftEvent } from "../publish/draft-events.ts";
import { beginUpload, sendPart, storeBytes } from "../testing/store-parts.ts";
import { digestOf } from "../testing/test-hub.ts";
import { startSweeping } from "./sweep.ts";

const HOUR = 3_600;
let database: Database;
let data: string;
let store: BlobStore;
let log: Record<string, unknown>[];
let endSweeping: () => Promise<void>;
beforeAll(async () => {
  database = await openDatabase({ kind: "memory" });
  await migrate(database);
  await database.prisma.publisher.create({ data: { id: "acme", displayName: "Acme" } });
}, 60_000);
afterAll(() => database.close());
beforeEach(async () => {
  await database.prisma.upload.deleteMany();
  await database.prisma.blob.deleteMany();
  data = await mkdtemp(join(tmpdir(), "modulehub-sweep-"));
  store = await openFilesystemStore(data);
  log = [];
  endSweeping = async () => undefined;
});
afterEach(async () => {
  await endSweeping();
  await rm(data, { recursive: true, force: true });
});

function sweep(faults: Partial<BlobStore> = {}, rememberedSeconds = 30 * 24 * HOUR): void {
  endSweeping = startSweeping(
    {
      database,
      store: { ...store, ...faults },
      events: createRowNews<DraftEvent>(),
      log: fastify({ logger: { stream: { write: (line: string) => log.push(JSON.parse(line)) } } }).log,
      rememberedSeconds,
      registry: new Registry(),
    },
    { grace: HOUR, interval: HOUR },
  );
}

/** What a sweep that has ended says that it did. */
const swept = async () => {
  await expect.poll(() => log.at(-1), { timeout: 10_000 }).toMatchObject({ msg: "swept" });
  return log.at(-1);
};

const refused = () => Promise.reject(problem("store-unavailable", "The blob store answered 500."));

/** An upload with a part that nobody went on with. */
async function abandonedUpload(): Promise<string> {
  const id = randomUUID();
  await sendPart(store, await beginUpload(store, id), { number: 1, size: 4 }, Buffer.from("part"));
  const expiresAt = new Date(Date.now() - 60_000);
  const row = { id, publisherId: "acme", size: 4n, partSize: 4, state: "open", expiresAt };
  await database.prisma.upload.create({ data: row });
  return id;
}

/** Bytes with a row that nothing has referred to for longer than the grace. */
async function unwantedBlob(): Promise<void> {
  const storageKey = randomUUID();
  await storeBytes(store, storageKey, Buffer.from(storageKey));
  const touchedAt = new Date(Date.now() - 2 * HOUR * 1_000);
  const row = { digest: digestOf(storageKey), size: 36n, state: "stored", storageKey, touchedAt };
  await database.prisma.blob.create({ data: row });
}

const statesOfUploads = async () =>
  (await database.prisma.upload.findMany()).map(({ state }) => state).sort();

/** What the store has, all pages of it. */
async function left(what: "blobs" | "uploads"): Promise<string[]> {
  const names: string[] = [];
  for (let cursor: string | undefined = ""; cursor !== undefined; ) {
    const { items, next } = await store.list(what, cursor);
    names.push(...items.map(({ name }) => name));
    cursor = next;
  }
  return names;
}

test("a store that aborts no upload keeps neither other uploads from ending nor bytes from being collected", async () => {
  const uploads = [await abandonedUpload(), await abandonedUpload()];
  await unwantedBlob();
  sweep({ discardUpload: refused });
  expect(await swept()).toMatchObject({ uploads: 2, blobs: 1 });
  expect(await statesOfUploads()).toEqual(["cancelled", "cancelled"]);
  expect(await left("blobs")).toEqual([]);
  const warned = log.filter(({ level }) => level === 40).map(({ storageKey }) => storageKey);
  expect(warned.sort()).toEqual(uploads.sort());

  // Their parts go once the store takes them away again, and they are as old as the grace.
  await endSweeping();
  const long = new Date(Date.now() - 2 * HOUR * 1_000);
  for (const id of uploads) await utimes(join(data, "uploads", id), long, long);
  log = [];
  sweep();
  expect(await swept()).toMatchObject({ uploads: 0, strays: 2 });
  expect(await left("uploads")).toEqual([]);
});

test("a part of a sweep that fails is told of, and keeps no later one from being done", async () => {
  await abandonedUpload();
  await unwantedBlob();
  // No time is that long ago for the database.
  sweep({}, 1e15);
  expect(await swept()).toMatchObject({ uploads: 1, jobs: 0, blobs: 1 });
  expect(log.filter(({ level }) => level === 50)).toMatchObject([{ part: "jobs", err: {} }]);
});

/** A call to the store that stands still until the sweep that made it was told to end; how often it was made. */
function stoppedAt<Fault extends "delete" | "discardUpload">(fault: Fault) {
  const reached = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const call = async (key: string) => {
    reached.resolve();
    await goOn.promise;
    await store[fault](key);
  };
  const stop = async () => {
    await reached.promise;
    const ended = endSweeping();
    goOn.resolve();
    await ended;
  };
  return { faults: { [fault]: call }, stop };
}

test("a sweep that is told to end does not take away the rest of the bytes, and the next one does", async () => {
  for (let count = 0; count < 3; count++) await unwantedBlob();
  const { faults, stop } = stoppedAt("delete");
  sweep(faults);
  await stop();
  expect(await left("blobs")).toHaveLength(2);
  expect(await database.prisma.blob.count()).toBe(2);
  expect(log).toEqual([]);
  sweep();
  expect(await swept()).toMatchObject({ blobs: 2 });
  expect(await left("blobs")).toEqual([]);
});

test("nor does it go on with uploads, or begin with bytes", async () => {
  for (let count = 0; count < 3; count++) await abandonedUpload();
  await unwantedBlob();
  const { faults, stop } = stoppedAt("discardUpload");
  sweep(faults);
  await stop();
  expect(await statesOfUploads()).toEqual(["cancelled", "open", "open"]);
  expect(await left("blobs")).toHaveLength(1);
  sweep();
  expect(await swept()).toMatchObject({ uploads: 2, blobs: 1 });
});
