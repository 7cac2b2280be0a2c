import { rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ask,
  digestOf,
  listOf,
  moduleFiles,
  publish,
  startTestHub,
  type TestHub,
  uploadBytes,
} from "../testing/test-hub.ts";

let hub: TestHub;
const GRAPH = "graph files";
beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  const files = {
    ...moduleFiles("files"),
    "docs/page.html": "<script>",
    "a b/ü.txt": "text",
    "empty.bin": "",
  };
  await publish(hub, "acme/open", files, { visibility: "public", aliases: ["stable"] });
  await publish(hub, "acme/closed", files);
}, 60_000);
afterAll(() => hub.close());

const get = (path: string, headers: Record<string, string> = {}, method = "GET") =>
  fetch(`${hub.url}/v1/modules/acme/${path}`, { method, headers });

test("a file of a fixed version comes whole, with its digest as ETag, and may be kept for ever", async () => {
  const response = await get("open/versions/1/files/model.onnx");
  expect(await response.text()).toBe(GRAPH);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    etag: `"${digestOf(GRAPH)}"`,
    "content-length": "11",
    "accept-ranges": "bytes",
    "cache-control": "public, max-age=31536000, immutable",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
  });
});

test("what may change, and what is private, is not kept", async () => {
  for (const version of ["latest", "stable"])
    expect((await get(`open/versions/${version}/files/model.onnx`)).headers.get("cache-control")).toBe(
      "no-cache",
    );
  expect((await get("open/versions/1/files/README.md")).headers.get("cache-control")).toBe("no-cache");
  const closed = await get("closed/versions/1/files/model.onnx", hub.admin);
  expect(closed.headers.get("cache-control")).toBe("private, no-store");
});

// Expected bytes by hand from RFC 9110, section 14.1.2, on "graph files".
test.each([
  ["bytes=0-4", 206, "graph", "bytes 0-4/11"],
  ["bytes=6-", 206, "files", "bytes 6-10/11"],
  ["bytes=-5", 206, "files", "bytes 6-10/11"],
  ["bytes=6-99", 206, "files", "bytes 6-10/11"],
  ["bytes=-99", 206, GRAPH, "bytes 0-10/11"],
  ["bytes=10-10", 206, "s", "bytes 10-10/11"],
  ["bytes=4-2", 200, GRAPH, null],
  ["bytes=-", 200, GRAPH, null],
  ["bytes=99999999999999999999-", 200, GRAPH, null],
  ["bytes=0-1,4-5", 200, GRAPH, null],
  ["lines=1-2", 200, GRAPH, null],
])("the range %s is answered with %i", async (range, status, text, contentRange) => {
  const response = await get("open/versions/1/files/model.onnx", { range });
  expect(response.status).toBe(status);
  expect(await response.text()).toBe(text);
  expect(response.headers.get("content-range")).toBe(contentRange);
});

test("the last bytes of an empty file are the file, and no byte of it is 416", async () => {
  const empty = "open/versions/1/files/empty.bin";
  const last = await get(empty, { range: "bytes=-5" });
  expect([last.status, await last.text()]).toEqual([200, ""]);
  for (const range of ["bytes=0-", "bytes=-0"])
    expect((await get(empty, { range })).headers.get("content-range")).toBe("bytes */0");
});

test("a range outside the file is 416 with the file's size", async () => {
  const response = await get("open/versions/1/files/model.onnx", { range: "bytes=11-" });
  expect(response.status).toBe(416);
  expect(response.headers.get("content-range")).toBe("bytes */11");
  expect(await response.json()).toMatchObject({ code: "range-not-satisfiable" });
});

test("a range counts only while the file is the one that If-Range names", async () => {
  const other = await get("open/versions/1/files/model.onnx", { range: "bytes=0-4", "if-range": '"other"' });
  expect(other.status).toBe(200);
  await other.text();
  const same = await get("open/versions/1/files/model.onnx", {
    range: "bytes=0-4",
    "if-range": `"${digestOf(GRAPH)}"`,
  });
  expect(same.status).toBe(206);
  await same.text();
});

test("HEAD says what GET would, without the bytes, and a known ETag gives 304", async () => {
  const head = await get("open/versions/1/files/model.onnx", {}, "HEAD");
  expect(head.status).toBe(200);
  expect(head.headers.get("content-length")).toBe("11");
  expect(await head.text()).toBe("");
  const known = await get("open/versions/1/files/model.onnx", { "if-none-match": `"${digestOf(GRAPH)}"` });
  expect(known.status).toBe(304);
});

test("HTML is only ever saved, and an empty file and a path with spaces come as they are", async () => {
  const page = await get("open/versions/1/files/docs/page.html");
  expect(page.headers.get("content-disposition")).toBe("attachment");
  await page.text();
  expect(await (await get("open/versions/1/files/empty.bin")).text()).toBe("");
  expect(await (await get("open/versions/1/files/a%20b/%C3%BC.txt")).text()).toBe("text");
});

test("resolve lists addresses that give the files", async () => {
  const resolved = await ask<{ files: { path: string; url: string; size: number }[] }>(
    hub,
    "GET",
    "/v1/resolve?handle=acme/open",
  );
  for (const file of resolved.body.files) {
    const response = await fetch(file.url);
    expect((await response.arrayBuffer()).byteLength).toBe(file.size);
  }
  expect(resolved.body.files.map(({ path }) => path)).toContain("a b/ü.txt");
});

test("a worker reads contents without documentation, and blobs with ranges; nobody else does", async () => {
  const { digest } = (await ask<{ digest: string }>(hub, "GET", "/v1/resolve?handle=acme/closed")).body;
  const contents = await ask<{ files: { path: string }[]; batching: unknown }>(
    hub,
    "GET",
    `/internal/contents/${digest}`,
    undefined,
    hub.workerToken,
  );
  expect(contents.body.files.map(({ path }) => path)).toEqual([
    "a b/ü.txt",
    "docs/page.html",
    "empty.bin",
    "model.onnx",
    "module.json",
  ]);
  expect(contents.body.batching).toEqual({ default: "none" });
  const meaning = "/internal/resolve?handle=acme/closed";
  expect((await ask(hub, "GET", meaning, undefined, hub.workerToken)).body).toEqual({ digest });
  expect((await ask(hub, "GET", meaning)).status).toBe(403);
  const blob = `/internal/blobs/${digestOf(GRAPH)}`;
  const range = await fetch(hub.url + blob, { headers: { ...hub.workerToken, range: "bytes=0-4" } });
  expect([range.status, await range.text()]).toEqual([206, "graph"]);
  expect((await ask(hub, "GET", blob, undefined, {})).status).toBe(401);
  expect((await ask(hub, "GET", blob)).status).toBe(403);
  expect((await ask(hub, "POST", "/v1/publishers", { id: "sly" }, hub.workerToken)).status).toBe(403);
});

test("bytes that the store has lost are the store's fault, never a file that is not there", async () => {
  const module = "acme/lost";
  await publish(hub, module, moduleFiles("lost"), { visibility: "public" });
  const path = `/v1/modules/${module}/versions/1/files/model.onnx`;
  const blob = await hub.deps.database.prisma.blob.findFirstOrThrow({
    where: { digest: digestOf("graph lost") },
  });
  const file = join(hub.data, "blobs", blob.storageKey.slice(0, 2), blob.storageKey);
  const internal = `/internal/blobs/${digestOf("graph lost")}`;
  for (const harm of [() => truncate(file, 3), () => rm(file)]) {
    await harm();
    for (const answer of [
      await ask(hub, "GET", path, undefined, { range: "bytes=0-1" }),
      await ask(hub, "GET", path),
      await ask(hub, "GET", internal, undefined, hub.workerToken),
    ])
      expect(answer).toMatchObject({ status: 503, body: { code: "store-unavailable" } });
  }
});

test("every page of resolve lists the documentation that the first page did, though it was edited between them", async () => {
  const assets = Array.from({ length: 1_000 }, (_, i) => [`assets/${i}.txt`, "same"]);
  const files = { ...moduleFiles("paged"), "docs/use.md": "before", ...Object.fromEntries(assets) };
  await publish(hub, "acme/paged", files, { visibility: "public" });
  const page = (cursor = "") =>
    ask<{ revision: string; files: { path: string; digest: string; url: string }[]; next?: string }>(
      hub,
      "GET",
      `/v1/resolve?handle=acme/paged/1${cursor && `&cursor=${cursor}`}`,
    );
  const first = await page();
  const edited = { "docs/added.md": "same", "docs/use.md": "same" };
  const path = "/v1/modules/acme/paged/versions/1/documentation";
  expect((await ask(hub, "PUT", path, { base: 1, files: listOf(edited) })).status).toBe(201);
  const second = await page(first.body.next);
  expect(second.body).toMatchObject({ revision: first.body.revision });
  expect(second.body.next).toBeUndefined();
  const listed = [...first.body.files, ...second.body.files];
  const expected = listOf(files).map(({ path, digest }) => [path, digest]);
  expect(listed.map(({ path, digest }) => [path, digest]).sort()).toEqual(expected.sort());
  const last = listed.find(({ path }) => path === "docs/use.md")!;
  expect(await (await fetch(last.url)).text()).toBe("before");
  expect((await page()).body.revision).not.toBe(first.body.revision);
  const ahead = Buffer.from('[3,"a"]').toString("base64url");
  expect(await page(ahead)).toMatchObject({ status: 400, body: { code: "invalid-request" } });
});

test("what resolve lists is at the addresses that it names, also once the documentation was edited", async () => {
  const files = { ...moduleFiles("resolved"), "docs/more about it.md": "more" };
  await publish(hub, "acme/resolved", files, { visibility: "public" });
  const { body } = await ask<{ files: { path: string; digest: string; url: string }[] }>(
    hub,
    "GET",
    "/v1/resolve?handle=acme/resolved/1",
  );
  expect(body.files.map(({ path }) => path).sort()).toEqual(Object.keys(files).sort());
  await uploadBytes(hub, "acme", Buffer.from("edited"));
  const documentation = { base: 1, files: listOf({ "README.md": "edited" }) };
  const path = "/v1/modules/acme/resolved/versions/1/documentation";
  expect((await ask(hub, "PUT", path, documentation)).status).toBe(201);
  for (const { path, digest, url } of body.files)
    expect(digestOf(await (await fetch(url)).text()), path).toBe(digest);
});
