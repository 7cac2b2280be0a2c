import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type DownloadEvent, Hub } from "../index.ts";
import { FaultyHub } from "../publish/faulty-hub.ts";
import { type ServedVersion, servedVersion } from "../publish/faulty-hub-files.ts";

const MANIFEST = JSON.stringify({
  schemaVersion: 1,
  task: "other",
  signatures: {
    default: {
      inputs: { x: { dtype: "float32", shape: [1] } },
      outputs: { y: { dtype: "float32", shape: [1] } },
    },
  },
});
const GRAPH = Buffer.from(
  Array.from({ length: 9_000 }, (_, index) => createHash("sha256").update(String(index)).digest("hex")).join(
    "",
  ),
);

let server: FaultyHub;
let folder: string;
let version: ServedVersion;

beforeEach(async () => {
  server = new FaultyHub();
  await server.start();
  folder = await mkdtemp(join(tmpdir(), "modulehub-download-"));
  version = servedVersion("acme/thing", 3, {
    "module.json": MANIFEST,
    "model.onnx": GRAPH,
    "data/empty.txt": "",
    "README.md": "# Thing",
  });
  server.served.set("acme/thing", version).set("acme/thing/3", version);
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const to = () => join(folder, "out");
const download = (handle = "acme/thing"): Promise<DownloadEvent[]> =>
  Array.fromAsync(new Hub({ url: server.url, token: "secret" }).download(handle, { to: to() }));

async function contents(): Promise<Record<string, string>> {
  const names = (await readdir(to(), { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  const files = names.map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    return [path.slice(to().length + 1), await readFile(path, "utf8")] as const;
  });
  return Object.fromEntries(await Promise.all(files));
}

const WHOLE = {
  "module.json": MANIFEST,
  "model.onnx": GRAPH.toString(),
  "data/empty.txt": "",
  "README.md": "# Thing",
};

test("a version comes with its documentation, page by page, and says how far it is", async () => {
  version.pageSize = 2;
  const events = await download();
  expect(events[0]).toMatchObject({ kind: "resolved", handle: "acme/thing/3", files: 4 });
  expect(events.at(-2)).toMatchObject({
    kind: "receiving",
    receivedBytes: GRAPH.length + MANIFEST.length + "# Thing".length,
  });
  expect(events.at(-1)).toMatchObject({ kind: "downloaded", version: 3, digest: version.digest });
  expect(await contents()).toEqual(WHOLE);
});

test("a version of thousands of files comes whole, in pages of a thousand", async () => {
  const many = Object.fromEntries(
    Array.from({ length: 2_500 }, (_, index) => [`shards/${index % 50}/${index}.bin`, `shard ${index}`]),
  );
  version = servedVersion("acme/many", 1, { "module.json": MANIFEST, ...many });
  server.served.set("acme/many", version).set("acme/many/1", version);
  const events = await download("acme/many");
  expect(events[0]).toMatchObject({ kind: "resolved", files: 2_501 });
  expect(server.requests.filter(({ line }) => line === "GET /v1/resolve")).toHaveLength(3);
  expect(await contents()).toEqual({ "module.json": MANIFEST, ...many });
});

test("that a version was yanked is told with the reason, and it comes all the same", async () => {
  expect((await download())[0]).not.toHaveProperty("yanked");
  version.yanked = { reason: "Wrong labels.", at: "2026-11-23T20:00:00.000Z" };
  expect((await download("acme/thing/3"))[0]).toMatchObject({
    kind: "resolved",
    yanked: { reason: "Wrong labels." },
  });
  expect(await contents()).toEqual(WHOLE);
});

test("a connection that drops is continued where it broke: no byte is sent twice", async () => {
  version.fault = (path, attempt) => (path === "model.onnx" && attempt < 3 ? { dropAfter: 100_000 } : "none");
  await download();
  expect(await contents()).toEqual(WHOLE);
  expect(server.sentBytes.get("model.onnx")).toBe(GRAPH.length);
});

test("what a stopped download left is continued by the next", async () => {
  // Each attempt brings 100,000 bytes of 576,000, and the next one waits a while: the end is far when it is stopped.
  version.fault = (path) => (path === "model.onnx" ? { dropAfter: 100_000 } : "none");
  const hub = new Hub({ url: server.url });
  for await (const event of hub.download("acme/thing", { to: to() }))
    if (event.kind === "receiving" && event.receivedBytes > 200_000) break;
  expect(Object.keys(await contents())).not.toContain("model.onnx");
  version.fault = () => "none";
  await download();
  expect(await contents()).toEqual(WHOLE);
  expect(server.sentBytes.get("model.onnx")).toBeLessThan(GRAPH.length * 1.2);
});

test("files that are there are not fetched again, damaged ones are", async () => {
  await download();
  await writeFile(join(to(), "README.md"), "# Thinh");
  server.sentBytes.clear();
  await download();
  expect([...server.sentBytes]).toEqual([["README.md", 7]]);
  expect(await contents()).toEqual(WHOLE);
});

test("a server that knows no ranges sends the whole file again", async () => {
  version.fault = (path, attempt) =>
    path !== "model.onnx" ? "none" : attempt === 0 ? { dropAfter: 100_000 } : "without-ranges";
  await download();
  expect(await contents()).toEqual(WHOLE);
});

test("a damaged beginning that was left is thrown away", async () => {
  const bytes = Buffer.from(GRAPH).fill("x", 10, 20);
  version.fault = (path, attempt) =>
    path === "model.onnx" && attempt === 0 ? { bytes, dropAfter: 100_000 } : "none";
  await download();
  expect(await contents()).toEqual(WHOLE);
});

test.each([
  ["other bytes", (content: Buffer) => Buffer.from(content).fill("x", 10, 20), "digest-mismatch"],
  ["more bytes", (content: Buffer) => Buffer.concat([content, content]), "size-mismatch"],
  ["fewer bytes", (content: Buffer) => content.subarray(10), "size-mismatch"],
])(
  "a hub that sends %s than it promised is refused, and the file does not appear",
  async (_, change, code) => {
    version.fault = (path) => (path === "model.onnx" ? { bytes: change(GRAPH) } : "none");
    await expect(download()).rejects.toMatchObject({ code });
    expect(Object.keys(await contents())).not.toContain("model.onnx");
  },
);

test.each([
  ["../evil.txt"],
  ["/etc/evil"],
  ["a/../../evil"],
  ["C:/evil"],
  ["a\\b"],
  ["con.txt"],
  [".modulehub/lock"],
  ["MODEL.onnx"],
  ["model.onnx/inside"],
])("the path %s from a hub is refused before anything is written", async (path) => {
  const content = Buffer.from("evil");
  version.files.push({ path, size: 4, digest: `sha256:${"ab".repeat(32)}`, content });
  await expect(download()).rejects.toMatchObject({ code: "invalid-path" });
  expect(await readdir(folder)).toEqual([]);
});

test("a list of files that does not have the version's digest is refused before the weights are fetched", async () => {
  version.digest = `sha256:${"ab".repeat(32)}`;
  await expect(download()).rejects.toMatchObject({ code: "digest-mismatch" });
  expect(server.sentBytes.has("model.onnx")).toBe(false);
});

test("an exact handle that is answered with another version is refused", async () => {
  server.served.set("acme/thing/2", version);
  await expect(download("acme/thing/2")).rejects.toThrow("another version than was asked for");
});

test("a folder that can't be written is told as such", async () => {
  await writeFile(to(), "a file, where a folder is meant");
  await expect(download()).rejects.toMatchObject({ name: "LocalFileError" });
});

test("two downloads into one folder share the work", async () => {
  await Promise.all([download(), download()]);
  expect(server.sentBytes.get("model.onnx")).toBe(GRAPH.length);
  expect(await contents()).toEqual(WHOLE);
});
