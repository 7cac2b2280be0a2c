import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import type { Digest } from "@modulehub/core";
import { problem } from "@modulehub/core";
import { findOptimized, keepOptimized } from "@modulehub/runtime/optimized-graph";
import { afterEach, expect, test } from "vitest";
import { affine } from "../testing/graphs.ts";
import {
  MemorySource,
  plainSignature,
  type TestModule,
  temporaryFolder,
  testModule,
} from "../testing/modules.ts";
import { ModuleCache } from "./module-cache.ts";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

const row = { dtype: "float32" as const, shape: ["batch", 3] };

/** A module whose extra file has this many bytes. */
const moduleOf = (bytes: number, fill: number): TestModule =>
  testModule(
    affine(),
    { signatures: plainSignature(row, row) },
    { "assets/data.bin": new Uint8Array(bytes).fill(fill) },
  );

async function setup(maxBytes = 2 ** 30) {
  const { folder, remove } = await temporaryFolder();
  cleanups.push(remove);
  const source = new MemorySource();
  const evicted: Digest[] = [];
  const open = async () => {
    const cache = new ModuleCache(folder, source, maxBytes, (digest) => evicted.push(digest));
    await cache.open();
    return cache;
  };
  return { folder, source, evicted, open, cache: await open() };
}

const left = async (folder: string) => (await readdir(folder, { recursive: true })).sort();
const EMPTY = ["blobs", "drafts", "incoming", "modules"];

test("a module lies in a folder under its own paths, and is fetched once however many ask", async () => {
  const { cache, source } = await setup();
  const module = source.add(moduleOf(100, 7));
  const leases = await Promise.all(Array.from({ length: 5 }, () => cache.lease(module.digest)));
  const folder = leases[0]!.folder;
  expect((await readFile(join(folder, "assets/data.bin"))).byteLength).toBe(100);
  expect(leases[0]!.manifest.signatures.default?.inputs.x?.dtype).toBe("float32");
  expect(source.asked.filter((asked) => asked.startsWith("content"))).toHaveLength(1);
  expect(source.asked.filter((asked) => asked.startsWith("blob"))).toHaveLength(3);
});

test("bytes that are not the promised ones are refused and leave nothing behind", async () => {
  const { cache, source, folder } = await setup();
  const module = source.add(moduleOf(100, 7));
  const tampers: [typeof source.tamper, string][] = [
    [(_digest, bytes) => Uint8Array.from(bytes, (byte) => byte ^ 1), "digest-mismatch"],
    [(_digest, bytes) => bytes.subarray(1), "size-mismatch"],
    [(_digest, bytes) => Buffer.concat([bytes, Buffer.from("more")]), "size-mismatch"],
  ];
  for (const [tamper, code] of tampers) {
    source.tamper = tamper;
    await expect(cache.lease(module.digest)).rejects.toMatchObject({ code });
    expect(await left(folder)).toEqual(EMPTY);
  }
});

test("a download that breaks off leaves nothing behind, and the next try succeeds", async () => {
  const { cache, source, folder } = await setup();
  const module = source.add(moduleOf(100_000, 7));
  source.tamper = (_digest, bytes) =>
    Readable.from(
      (function* () {
        yield bytes.subarray(0, bytes.byteLength >> 1);
        throw problem("store-unavailable");
      })(),
    );
  await expect(cache.lease(module.digest)).rejects.toMatchObject({ code: "store-unavailable" });
  const names = await left(folder);
  expect(names.filter((name) => name.startsWith("incoming/") || name.startsWith("modules/"))).toEqual([]);
  source.tamper = (_digest, bytes) => bytes;
  expect((await cache.lease(module.digest)).bytes).toBeGreaterThan(100_000);
});

test("who has no patience with a hub that hangs stops waiting, and what comes is there for those who ask next", async () => {
  const { cache, source } = await setup();
  const module = source.add(moduleOf(100, 7));
  const goOn = Promise.withResolvers<void>();
  source.tamper = (_digest, bytes) =>
    Readable.from(
      (async function* () {
        await goOn.promise;
        yield bytes;
      })(),
    );
  const staying = cache.lease(module.digest);
  const late = cache.lease(module.digest, { deadline: performance.now() + 50 });
  await expect(late).rejects.toMatchObject({ code: "deadline-exceeded" });
  const gone = new AbortController();
  const left = cache.lease(module.digest, { signal: gone.signal });
  gone.abort(new Error("gone"));
  await expect(left).rejects.toThrow("gone");
  await expect(cache.lease(module.digest, { signal: gone.signal })).rejects.toThrow("gone");
  goOn.resolve();
  await staying;
  await cache.lease(module.digest, { deadline: performance.now() + 10_000 });
  expect(source.asked).toHaveLength(4);
});

test("a version that names files which aren't its own is refused", async () => {
  const { cache, source } = await setup();
  const module = source.add(moduleOf(100, 7));
  const other = source.add(moduleOf(100, 8));
  source.contents.set(module.digest, { ...source.contents.get(other.digest)!, digest: module.digest });
  await expect(cache.lease(module.digest)).rejects.toMatchObject({ code: "digest-mismatch" });
});

test("what was used longest ago goes when the cache is full, and never what is in use", async () => {
  const { cache, source, evicted } = await setup(2500);
  const modules = [1, 2, 3, 4].map((fill) => source.add(moduleOf(600, fill)));
  const first = await cache.lease(modules[0]!.digest);
  (await cache.lease(modules[1]!.digest)).release();
  (await cache.lease(modules[2]!.digest)).release();
  (await cache.lease(modules[3]!.digest)).release();
  expect(evicted).toContain(modules[1]!.digest);
  expect(evicted).not.toContain(modules[0]!.digest);
  expect((await readFile(join(first.folder, "assets/data.bin"))).byteLength).toBe(600);
  expect(cache.bytes).toBeLessThanOrEqual(2500);
});

test("a restart finds modules again without asking for their bytes, and damaged files are fetched anew", async () => {
  const { cache, source, folder, open } = await setup();
  const module = source.add(moduleOf(100, 7));
  (await cache.lease(module.digest)).release();
  source.asked.length = 0;
  (await (await open()).lease(module.digest)).release();
  expect(source.asked).toEqual([]);

  const data = module.files.find(({ path }) => path === "assets/data.bin")!;
  const blob = join(folder, "blobs", data.digest.slice("sha256:".length));
  await rm(blob);
  await writeFile(blob, new Uint8Array(100).fill(8));
  const lease = await (await open()).lease(module.digest);
  expect(source.asked).toEqual([`blob ${data.digest}`]);
  expect((await readFile(join(lease.folder, "assets/data.bin")))[0]).toBe(7);
});

test("a module that the hub deletes while it is used stays with who uses it, and does not come back once gone", async () => {
  const { cache, source } = await setup(1500);
  const module = source.add(moduleOf(600, 1));
  const lease = await cache.lease(module.digest);
  source.contents.delete(module.digest);
  for (const digest of module.blobs.keys()) source.blobs.delete(digest);
  expect((await readFile(join(lease.folder, "assets/data.bin")))[0]).toBe(1);
  (await cache.lease(module.digest)).release();
  lease.release();
  for (const fill of [2, 3]) (await cache.lease(source.add(moduleOf(600, fill)).digest)).release();
  await expect(cache.lease(module.digest)).rejects.toMatchObject({ code: "version-not-found" });
});

test("a damaged list of files is fetched again, whatever became of it", async () => {
  const { cache, source, folder, open } = await setup();
  const module = source.add(moduleOf(100, 7));
  (await cache.lease(module.digest)).release();
  const path = join(folder, "modules", `${module.digest.slice("sha256:".length)}.json`);
  const whole = await readFile(path, "utf8");
  const [first] = module.files;
  for (const damaged of [
    "",
    whole.slice(0, 100),
    whole.replace(`"size":${first!.size}`, `"size":${first!.size + 1}`),
    whole.replaceAll(first!.digest, `sha256:${"0".repeat(64)}`),
    whole.replaceAll(module.digest, `sha256:${"0".repeat(64)}`),
    JSON.stringify({ ...source.contents.get(module.digest), files: module.files.slice(1) }),
  ]) {
    await writeFile(path, damaged);
    source.asked.length = 0;
    const lease = await (await open()).lease(module.digest);
    expect((await readFile(join(lease.folder, "assets/data.bin")))[0]).toBe(7);
    lease.release();
    expect(source.asked).toContain(`content ${module.digest}`);
    expect(await readFile(path, "utf8")).toBe(whole);
  }
});

test("what a graph was optimised to survives a restart, unless it was damaged, and counts as bytes", async () => {
  const { cache, source, open } = await setup();
  const module = source.add(moduleOf(100, 7));
  const lease = await cache.lease(module.digest);
  const graph = join(lease.folder, "model.onnx");
  const machine = { runtime: "1", executionProviders: ["cpu"], optimization: "all" } as const;
  const write = (_graph: string, target: string) => writeFile(target, "optimised");
  await keepOptimized(graph, machine, write);
  lease.release();

  const second = await open();
  (await second.lease(module.digest)).release();
  const kept = await findOptimized(graph, machine);
  expect(await readFile(kept!, "utf8")).toBe("optimised");
  const blobs = module.files.reduce((sum, { size }) => sum + size, 0);
  // The nine letters, and 64 hex digits of their digest.
  expect(second.bytes).toBe(blobs + 9 + 64);

  await writeFile(kept!, "0ptimised");
  (await (await open()).lease(module.digest)).release();
  expect(await findOptimized(graph, machine)).toBeUndefined();
});

test("what an engine that was killed left half written goes, and what is being written stays", async () => {
  const { cache, source } = await setup();
  const module = source.add(moduleOf(100, 7));
  const lease = await cache.lease(module.digest);
  const name = (uuid: string) => join(lease.folder, `.compiled-0123456789abcdef.${uuid}.ort`);
  const [abandoned, young] = [name(randomUUID()), name(randomUUID())];
  for (const path of [abandoned, young]) await writeFile(path, "half");
  await utimes(abandoned, new Date(0), new Date(0));
  await cache.withDraft([], AbortSignal.timeout(5000), async () => undefined);
  lease.release();
  const names = await readdir(lease.folder);
  expect(names).toContain(basename(young));
  expect(names).not.toContain(basename(abandoned));
});

test("a collection that fails is told to who began it, and modules are fetched all the same", async () => {
  const { cache, source, folder } = await setup();
  const [first, second] = [source.add(moduleOf(10, 1)), source.add(moduleOf(10, 2))];
  (await cache.lease(first.digest)).release();
  // A folder that is not a module's: bytes of it can't be counted.
  const lost = join(folder, "modules", first.digest.slice("sha256:".length));
  await rm(lost, { recursive: true });
  await expect(cache.withDraft([], AbortSignal.timeout(5000), async () => undefined)).rejects.toThrow(
    "ENOENT",
  );
  await mkdir(lost);
  const lease = await cache.lease(second.digest);
  expect(await left(lease.folder)).toContain("model.onnx");
  lease.release();
});

test("a draft's folder is gone when its inspection is over, whatever came of it", async () => {
  const { cache, source, folder } = await setup();
  const module = source.add(moduleOf(100, 7));
  const seen = await cache.withDraft(module.files, AbortSignal.timeout(5000), async (draft) => left(draft));
  expect(seen).toEqual(["assets", "assets/data.bin", "model.onnx", "module.json"]);
  await expect(
    cache.withDraft(module.files, AbortSignal.timeout(5000), async () => {
      throw new Error("inspection failed");
    }),
  ).rejects.toThrow("inspection failed");
  expect((await left(folder)).filter((name) => !name.startsWith("blobs/"))).toEqual(EMPTY);
});

test("what was inspected is not fetched again when it is published, and makes room before any module", async () => {
  const { cache, source, folder, evicted } = await setup(2500);
  const draft = source.add(moduleOf(600, 1));
  await cache.withDraft(draft.files, AbortSignal.timeout(5000), async () => undefined);
  source.asked.length = 0;
  (await cache.lease(draft.digest)).release();
  expect(source.asked).toEqual([`content ${draft.digest}`]);

  const others = [2, 3].map((fill) => source.add(moduleOf(1000, fill)));
  for (const { files } of others)
    await cache.withDraft(files, AbortSignal.timeout(5000), async () => undefined);
  expect(cache.bytes).toBeLessThanOrEqual(2500);
  expect(evicted).toEqual([]);
  const stays = draft.files.map(({ digest }) => digest.slice("sha256:".length));
  expect(await readdir(join(folder, "blobs"))).toEqual(expect.arrayContaining(stays));
});
