import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BlobStore } from "../blobs/blob-store.ts";
import type { Pieces } from "../blobs/pieces.ts";
import { ask, digestOf, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";

let hub: TestHub;
/** What of the store is being read. */
const open = new Set<Pieces>();
const folder = mkdtempSync(join(tmpdir(), "modulehub-archive-route-"));
const FILES = {
  ...moduleFiles("archive"),
  "model.onnx": "graph ".repeat(100_000),
  "docs/page.md": "# page",
  "assets/a b/ü.txt": "text",
  "empty.bin": "",
};

beforeAll(async () => {
  hub = await startTestHub();
  const { store } = hub.deps;
  const read: BlobStore["read"] = store.read;
  store.read = async (...parameters) => {
    const pieces = await read(...parameters);
    open.add(pieces);
    const close = pieces.close.bind(pieces);
    pieces.close = () => {
      open.delete(pieces);
      return close();
    };
    return pieces;
  };
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  await publish(hub, "acme/deep/open", FILES, { visibility: "public", aliases: ["stable"] });
  await publish(hub, "acme/closed", FILES);
}, 60_000);
afterAll(async () => {
  await hub.close();
  rmSync(folder, { recursive: true, force: true });
});

const ARCHIVE = "/v1/modules/acme/deep/open/versions/1/archive";
const get = (path: string, headers: Record<string, string> = {}, method = "GET") =>
  fetch(hub.url + path, { method, headers });
const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());

test("an archive holds the version's files and documentation, and has the length that was announced", async () => {
  const response = await get(ARCHIVE);
  expect(response.status).toBe(200);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "content-type": "application/gzip",
    "content-disposition": 'attachment; filename="acme-deep-open-1.tar.gz"',
    "accept-ranges": "bytes",
    "cache-control": "no-cache",
    vary: "Authorization, Cookie",
  });
  const bytes = await bytesOf(response);
  expect(response.headers.get("content-length")).toBe(String(bytes.byteLength));
  const path = join(folder, "open.tar.gz");
  await writeFile(path, bytes);
  execFileSync("gzip", ["-t", path]);
  const target = mkdtempSync(join(folder, "unpacked-"));
  execFileSync("tar", ["xzf", path, "-C", target]);
  const unpacked = readdirSync(target, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(target, name)).isFile())
    .map((name) => [name, readFileSync(join(target, name), "utf8")]);
  expect(Object.fromEntries(unpacked)).toEqual(FILES);
});

test("number, digest, alias, latest and the handle's own URL give one archive under one ETag", async () => {
  const digest = (await ask<{ digest: string }>(hub, "GET", "/v1/resolve?handle=acme/deep/open")).body.digest;
  const whole = await bytesOf(await get(ARCHIVE));
  const etag = (await get(ARCHIVE, {}, "HEAD")).headers.get("etag");
  const html = { accept: "text/html" };
  for (const [path, headers] of [
    [ARCHIVE.replace("/1/", `/${digest}/`), {}],
    [ARCHIVE.replace("/1/", "/stable/"), {}],
    [ARCHIVE.replace("/1/", "/latest/"), {}],
    ["/acme/deep/open/1?tf-hub-format=compressed", html],
    ["/acme/deep/open?tf-hub-format=compressed", {}],
    ["/acme/deep/open@stable?tf-hub-format=compressed", html],
  ] as const) {
    const response = await get(path, headers);
    expect([response.status, response.headers.get("etag")], path).toEqual([200, etag]);
    expect((await bytesOf(response)).equals(whole), path).toBe(true);
  }
  expect((await get("/acme/deep/open?tf-hub-format=lz")).status).toBe(400);
});

test.each([ARCHIVE, "/acme/deep/open/1?tf-hub-format=compressed"])(
  "HEAD of %s says what GET would, and a known ETag gives 304",
  async (path) => {
    const whole = await get(path);
    const bytes = await bytesOf(whole);
    const head = await get(path, {}, "HEAD");
    expect([head.status, head.headers.get("content-length")]).toEqual([200, String(bytes.byteLength)]);
    expect(head.headers.get("etag")).toBe(whole.headers.get("etag"));
    expect((await bytesOf(head)).byteLength).toBe(0);
    const known = await get(path, { "if-none-match": whole.headers.get("etag") ?? "" });
    expect([known.status, (await bytesOf(known)).byteLength]).toEqual([304, 0]);
  },
);

test("ranges join to the whole, and count only while the archive is the one that If-Range names", async () => {
  const response = await get(ARCHIVE);
  const etag = response.headers.get("etag") ?? "";
  const whole = await bytesOf(response);
  const pieces: Buffer[] = [];
  const step = 50_001;
  for (let start = 0; start < whole.byteLength; start += step) {
    const piece = await get(ARCHIVE, { range: `bytes=${start}-${start + step - 1}`, "if-range": etag });
    expect(piece.status).toBe(206);
    const end = Math.min(start + step, whole.byteLength) - 1;
    expect(piece.headers.get("content-range")).toBe(`bytes ${start}-${end}/${whole.byteLength}`);
    pieces.push(await bytesOf(piece));
  }
  expect(Buffer.concat(pieces).equals(whole)).toBe(true);
  const other = await get(ARCHIVE, { range: "bytes=0-4", "if-range": '"other"' });
  expect([other.status, (await bytesOf(other)).byteLength]).toEqual([200, whole.byteLength]);
  const outside = await get(ARCHIVE, { range: `bytes=${whole.byteLength}-` });
  expect(outside.headers.get("content-range")).toBe(`bytes */${whole.byteLength}`);
  expect(await outside.json()).toMatchObject({ status: 416, code: "range-not-satisfiable" });
});

test("a private module's archive is kept nowhere, and isn't there for strangers", async () => {
  for (const path of [
    "/v1/modules/acme/closed/versions/1/archive",
    "/acme/closed/1?tf-hub-format=compressed",
  ]) {
    const own = await get(path, hub.admin);
    expect([own.status, own.headers.get("cache-control")]).toEqual([200, "private, no-store"]);
    await own.arrayBuffer();
    for (const method of ["GET", "HEAD"]) expect((await get(path, {}, method)).status).toBe(404);
  }
});

test("a client that hangs up frees the file that was being read", async () => {
  const big = { ...moduleFiles("big"), "weights.bin": "0123456789abcdef".repeat(1_500_000) };
  await publish(hub, "acme/big", big, { visibility: "public" });
  const { hostname, port } = new URL(hub.url);
  const socket = connect(Number(port), hostname);
  socket.write("GET /v1/modules/acme/big/versions/1/archive HTTP/1.1\r\nHost: hub\r\n\r\n");
  await new Promise((resolve) => socket.once("data", resolve));
  socket.pause();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(open.size).toBe(1);
  socket.destroy();
  await expect.poll(() => open.size).toBe(0);
}, 60_000);

test("an archive of which the store has lost a file is 503, before anything of it is sent", async () => {
  await publish(hub, "acme/lost", moduleFiles("lost"), { visibility: "public" });
  const blob = await hub.deps.database.prisma.blob.findFirstOrThrow({
    where: { digest: digestOf("graph lost") },
  });
  await rm(join(hub.data, "blobs", blob.storageKey.slice(0, 2), blob.storageKey));
  for (const range of ["bytes=0-", "none"]) {
    const answer = await ask(hub, "GET", "/v1/modules/acme/lost/versions/1/archive", undefined, { range });
    expect(answer).toMatchObject({ status: 503, body: { code: "store-unavailable", retryAfter: 5 } });
    expect(answer.headers.get("retry-after")).toBe("5");
    for (const header of ["content-disposition", "content-range", "etag"])
      expect(answer.headers.get(header)).toBe(null);
  }
});
