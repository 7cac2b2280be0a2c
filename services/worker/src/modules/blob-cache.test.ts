import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, expect, test } from "vitest";
import { affine } from "../testing/graphs.ts";
import { MemorySource, plainSignature, temporaryFolder, testModule } from "../testing/modules.ts";
import { BlobCache } from "./blob-cache.ts";
import { hubSource } from "./hub-source.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const row = { dtype: "float32" as const, shape: ["batch", 3] };
const module = testModule(
  affine(),
  { signatures: plainSignature(row, row) },
  { "data.bin": new Uint8Array(100_000).fill(7) },
);
const { digest, size } = module.files.find(({ path }) => path === "data.bin")!;

async function setup() {
  const { folder, remove } = await temporaryFolder();
  cleanups.push(remove);
  const source = new MemorySource();
  source.add(module);
  const cache = new BlobCache(folder, source);
  await cache.open();
  const fetch = (signal = new AbortController().signal) => cache.fetch(digest, size, signal);
  const incoming = () => readdir(join(folder, "incoming"));
  return { cache, source, fetch, incoming };
}

/** Half of a blob, and the rest when the test says so. */
function halved(bytes: Uint8Array) {
  const half = bytes.byteLength >> 1;
  const body = new Readable({ read: () => undefined });
  body.push(bytes.subarray(0, half));
  const finish = () => {
    body.push(bytes.subarray(half));
    body.push(null);
  };
  return { body, finish };
}

test("who stops waiting for a download that others wait for ends it for itself alone", async () => {
  const { source, fetch } = await setup();
  const download = halved(module.blobs.get(digest)!);
  source.tamper = () => download.body;
  const stop = new AbortController();
  const [first, second] = [fetch(stop.signal), fetch()];
  await expect.poll(() => source.asked).toEqual([`blob ${digest}`]);
  stop.abort(new Error("cancelled"));
  await expect(first).rejects.toThrow("cancelled");
  download.finish();
  expect((await readFile(await second)).equals(Buffer.alloc(100_000, 7))).toBe(true);
  expect(source.asked).toEqual([`blob ${digest}`]);
});

test("a download that nobody waits for any more ends, and whoever asks then has one of its own", async () => {
  const { source, fetch, incoming } = await setup();
  const download = halved(module.blobs.get(digest)!);
  source.tamper = () => download.body;
  const stop = new AbortController();
  const waiting = [fetch(stop.signal), fetch(stop.signal)];
  await expect.poll(incoming).toHaveLength(1);
  stop.abort(new Error("cancelled"));
  for (const outcome of await Promise.allSettled(waiting))
    expect(outcome).toMatchObject({ status: "rejected", reason: { message: "cancelled" } });
  source.tamper = (_digest, bytes) => bytes;
  expect((await readFile(await fetch())).byteLength).toBe(100_000);
  expect(download.body.destroyed).toBe(true);
  expect(await incoming()).toEqual([]);
  await expect(fetch(AbortSignal.abort(new Error("never wanted")))).rejects.toThrow("never wanted");
});

test("a connection to the hub's API that breaks off is the world's fault, and can be tried again", async () => {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-length": String(size) });
    response.write(Buffer.alloc(size >> 1, 7), () => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  const hub = hubSource(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, "token");
  cleanups.push(hub.close);
  const { folder, remove } = await temporaryFolder();
  cleanups.push(remove);
  const cache = new BlobCache(folder, hub);
  await cache.open();
  const { signal } = new AbortController();
  const retryable = { code: "store-unavailable", status: 503, retryAfter: 5 };
  await expect(cache.fetch(digest, size, signal)).rejects.toMatchObject(retryable);
  await expect(hub.content(digest, signal)).rejects.toMatchObject(retryable);
  await expect(hub.resolve("someone/module", signal)).rejects.toMatchObject(retryable);
  expect(await readdir(join(folder, "incoming"))).toEqual([]);
});
