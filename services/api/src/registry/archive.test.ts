import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import type { ByteRange } from "../blobs/blob-store.ts";
import { type Pieces, readWhole } from "../blobs/pieces.ts";
import { digestOf } from "../testing/test-hub.ts";
import { createArchiveReader, planArchive } from "./archive.ts";

const folder = mkdtempSync(join(tmpdir(), "modulehub-archive-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Bytes that no two places share, so that a shift shows. */
function noise(size: number, seed: string): Buffer {
  const blocks: Buffer[] = [];
  for (let n = 0; n * 32 < size; n++) blocks.push(createHash("sha256").update(`${seed} ${n}`).digest());
  return Buffer.concat(blocks).subarray(0, size);
}

const SIZES = [0, 1, 511, 512, 513, 1024, 65_535, 65_536, 131_072, 200_000];
const FILES: Record<string, Buffer> = {
  ...Object.fromEntries(SIZES.map((size) => [`sizes/${size}.bin`, noise(size, String(size))])),
  "model.onnx": noise(300, "model"),
  "größe/模型 🙂.txt": noise(20, "unicode"),
  [`${"d".repeat(60)}/${"n".repeat(60)}`]: noise(10, "ustar's prefix"),
  [`${"n".repeat(120)}.bin`]: noise(10, "a name over 100 bytes"),
  [`${"a".repeat(100)}/${"b".repeat(100)}/${"c".repeat(100)}.bin`]: noise(10, "a path over 255 bytes"),
  [`${"é/".repeat(100)}${"ü".repeat(100)}`]: noise(10, "a path over 255 bytes, in UTF-8"),
};

/** A store of bytes that are their digests' keys; counts what is read, and what was not let go of. */
function memoryStore(files: Record<string, Buffer>) {
  const blobs = new Map(Object.values(files).map((bytes) => [digestOf(bytes) as string, bytes]));
  const open = new Set<Pieces>();
  const counts = { chunks: 0 };
  const read = async (key: string, _size: number, range?: ByteRange) => {
    const bytes = blobs.get(key)?.subarray(range?.start ?? 0, (range?.end ?? Number.MAX_SAFE_INTEGER) + 1);
    if (bytes === undefined) throw new Error("no such key");
    // Lent, as a store's pieces are: one memory for all.
    const memory = Buffer.alloc(10_000);
    const pieces: Pieces = {
      async *[Symbol.asyncIterator]() {
        try {
          for (let at = 0; at < bytes.byteLength; at += 10_000) {
            await setImmediate();
            counts.chunks++;
            yield memory.subarray(0, bytes.subarray(at, at + 10_000).copy(memory));
          }
        } finally {
          open.delete(pieces);
        }
      },
      async close() {
        open.delete(pieces);
      },
    };
    open.add(pieces);
    return pieces;
  };
  return { read, open, counts, keys: new Map([...blobs.keys()].map((digest) => [digest, digest])) };
}

const listed = (files: Record<string, Buffer>) =>
  Object.entries(files).map(([path, bytes]) => ({ path, size: bytes.byteLength, digest: digestOf(bytes) }));

const bytesOf = readWhole;

test("system tar unpacks every file with its bytes, gzip finds no fault, and the length is the one foretold", async () => {
  const store = memoryStore(FILES);
  const archive = planArchive(listed(FILES));
  const bytes = await bytesOf(await createArchiveReader(store).read(archive, store.keys));
  expect(bytes.byteLength).toBe(archive.size);
  const path = join(folder, "whole.tar.gz");
  writeFileSync(path, bytes);
  execFileSync("gzip", ["-t", path]);
  const target = mkdtempSync(join(folder, "unpacked-"));
  execFileSync("tar", ["xzf", path, "-C", target]);
  const unpacked = readdirSync(target, { recursive: true, encoding: "utf8" }).filter((name) =>
    statSync(join(target, name)).isFile(),
  );
  expect(unpacked.toSorted()).toEqual(Object.keys(FILES).toSorted());
  for (const [name, content] of Object.entries(FILES))
    expect(readFileSync(join(target, name)).equals(content), name).toBe(true);
  expect(statSync(join(target, "model.onnx")).mode & 0o777).toBe(0o644);
  expect(statSync(join(target, "sizes")).mode & 0o777).toBe(0o755);
});

test("folders come before all files, and owner, time and order are always the same", () => {
  const files = listed(FILES);
  expect(planArchive(files.toReversed())).toEqual(planArchive(files));
  const lines = execFileSync("tar", ["tvzf", join(folder, "whole.tar.gz"), "--numeric-owner"], {
    encoding: "utf8",
    env: { ...process.env, TZ: "UTC" },
  })
    .trim()
    .split("\n");
  const kinds = lines.map((line) => line[0]).join("");
  expect(kinds).toMatch(/^d+-+$/);
  expect(lines.filter((line) => !/^.{10} 0\/0 +\d+ 1970-01-01 00:00 /.test(line))).toEqual([]);
});

test("another file, path or size makes another ETag", () => {
  const files = listed(FILES);
  const [first, ...rest] = files;
  const tags = [
    files,
    rest,
    [{ ...first!, path: "other" }, ...rest],
    [{ ...first!, digest: digestOf("x") }, ...rest],
  ];
  expect(new Set(tags.map((list) => planArchive(list).etag)).size).toBe(tags.length);
});

test("ranges of any place and length are the same bytes that the whole has", async () => {
  const store = memoryStore(FILES);
  const archive = planArchive(listed(FILES));
  const whole = await bytesOf(await createArchiveReader(store).read(archive, store.keys));
  // Around gzip's header, stored blocks (65,540 bytes each, behind 10) and gzip's trailer.
  const edges = [0, 1, 9, 10, 11, 15, 65_549, 65_550, 65_551, 65_556, 131_090, 200_000];
  const places = [...edges, ...[0, 1, 7, 8, 9, 1_032].map((back) => archive.size - 1 - back)];
  for (const fresh of [true, false]) {
    const reader = createArchiveReader(store);
    if (!fresh) await bytesOf(await reader.read(archive, store.keys));
    for (const start of places)
      for (const end of places.filter((place) => place >= start)) {
        const piece = await bytesOf(await reader.read(archive, store.keys, { start, end }));
        expect(piece.equals(whole.subarray(start, end + 1)), `${start} to ${end}`).toBe(true);
      }
  }
});

test("a range reads no more than its blocks, and the archive's end costs one pass, once", async () => {
  const big = { "a.bin": noise(3_000_000, "a"), "b.bin": noise(3_000_000, "b") };
  const store = memoryStore(big);
  const archive = planArchive(listed(big));
  const reader = createArchiveReader(store);
  const read = async (start: number, end: number) => {
    store.counts.chunks = 0;
    await bytesOf(await reader.read(archive, store.keys, { start, end }));
    return store.counts.chunks;
  };
  expect(await read(4_000_000, 4_000_100)).toBeLessThan(12);
  const end = archive.size - 1;
  expect(await read(end, end)).toBeGreaterThanOrEqual(600);
  expect(await read(end, end)).toBeLessThan(12);
});

test("files are read as they are taken, and let go of when the reader goes away", async () => {
  const big = { "a.bin": noise(3_000_000, "a"), "b.bin": noise(3_000_000, "b") };
  const store = memoryStore(big);
  const pieces = await createArchiveReader(store).read(planArchive(listed(big)), store.keys);
  const taken = pieces[Symbol.asyncIterator]();
  for (let n = 0; n < 3; n++) await taken.next();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(store.counts.chunks).toBeLessThan(40);
  expect(store.open.size).toBe(1);
  await taken.return?.();
  expect(store.open.size).toBe(0);
});

test("a pass for the archive's end stops when the reader goes away", async () => {
  const big = { "a.bin": noise(3_000_000, "a"), "b.bin": noise(3_000_000, "b") };
  const store = memoryStore(big);
  const archive = planArchive(listed(big));
  const range = { start: archive.size - 1, end: archive.size - 1 };
  const pieces = await createArchiveReader(store).read(archive, store.keys, range);
  const taking = bytesOf(pieces);
  await expect.poll(() => store.counts.chunks, { interval: 0 }).toBeGreaterThan(0);
  await pieces.close();
  expect((await taking).byteLength).toBe(0);
  expect(store.open.size).toBe(0);
  expect(store.counts.chunks).toBeLessThan(300);
});

test("bytes that the store has lost are told before the first byte, and a file that ends early breaks the stream", async () => {
  const files = { "a.bin": noise(100_000, "a"), "b.bin": noise(100_000, "b") };
  const archive = planArchive(listed(files));
  const store = memoryStore(files);
  store.keys.delete(digestOf(files["b.bin"]));
  const reader = createArchiveReader(store);
  await expect(reader.read(archive, store.keys)).rejects.toMatchObject({ code: "store-unavailable" });
  const first = await bytesOf(await reader.read(archive, store.keys, { start: 0, end: 100 }));
  expect(first.byteLength).toBe(101);
  const short = memoryStore(files);
  const shortened = createArchiveReader({
    read: (key, size, range) => short.read(key, size, range && { ...range, end: Math.min(range.end, 9) }),
  });
  const stream = await shortened.read(archive, short.keys);
  await expect(bytesOf(stream)).rejects.toMatchObject({ code: "store-unavailable" });
});

test("gzip's header is RFC 1952's, with no time and no system, and its stored blocks are full", async () => {
  const store = memoryStore(FILES);
  const archive = planArchive(listed(FILES));
  const bytes = await bytesOf(await createArchiveReader(store).read(archive, store.keys));
  // RFC 1952, section 2.3.1: ID1 ID2 CM FLG MTIME(4) XFL OS; RFC 1951, section 3.2.4: LEN, then its complement.
  expect(bytes.subarray(0, 15).toString("hex")).toBe("1f8b08000000000000ff00ffff0000");
  const tar = gunzipSync(bytes);
  expect(tar.byteLength).toBe(archive.tarSize);
  expect(bytes.readUInt32LE(bytes.byteLength - 4)).toBe(tar.byteLength);
});
