import { execFileSync, fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GraphBuilder } from "@modulehub/onnx";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Hub, type LoadEvent, type LoadOptions } from "../index.ts";
import { FaultyHub } from "../publish/faulty-hub.ts";
import { type ServedVersion, servedVersion } from "../publish/faulty-hub-files.ts";

const vector = { dtype: "float32", shape: ["batch", 2] };
const MANIFEST = JSON.stringify({
  schemaVersion: 1,
  task: "other",
  signatures: {
    default: {
      inputs: { x: vector },
      outputs: { unit: vector },
      steps: [
        { run: { graph: "model.onnx", inputs: { x: "x" }, outputs: { doubled: "hidden" } } },
        { normalize: { from: "hidden", as: "unit" } },
      ],
    },
    raw: { inputs: { x: vector }, outputs: { doubled: vector } },
  },
});

/** Doubles its input. */
function doubling(): Buffer {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", ["batch", 2]);
  g.output("doubled", g.mul(x, g.constant({ dtype: "float32", shape: [1], data: Float32Array.of(2) })));
  return Buffer.from(g.toBytes());
}

let server: FaultyHub;
let folder: string;
let version: ServedVersion;

beforeEach(async () => {
  server = new FaultyHub();
  await server.start();
  folder = await mkdtemp(join(tmpdir(), "modulehub-load-"));
  version = servedVersion("acme/double", 1, {
    "module.json": MANIFEST,
    "model.onnx": doubling(),
    "README.md": "# Doubles",
    "twin.bin": "the same bytes",
    "copy/twin.bin": "the same bytes",
  });
  server.served.set("acme/double", version).set("acme/double/1", version).set("acme/double@stable", version);
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const cache = () => join(folder, "cache");
const load = (handle = "acme/double/1", options?: LoadOptions) =>
  new Hub({ url: server.url, cache: cache() }).load(handle, { threads: 1, ...options });

/** 2·[3, 4] = [6, 8], whose length is 10. */
async function expectRuns(handle?: string, options?: LoadOptions): Promise<void> {
  await using module = await load(handle, options);
  expect(module.handle).toBe("acme/double/1");
  const { outputs } = await module.run({ x: [[3, 4]] });
  expect(outputs.unit).toMatchObject({ dtype: "float32", shape: [1, 2] });
  expect([...(outputs.unit?.data ?? [])].map((value) => Number(value).toFixed(6))).toEqual([
    "0.600000",
    "0.800000",
  ]);
  const raw = await module.run({ x: [[3, 4]] }, { signature: "raw" });
  expect(raw.outputs.doubled).toEqual({ dtype: "float32", shape: [1, 2], data: Float32Array.of(6, 8) });
}

const fileRequests = () => [...server.sentBytes.keys()].sort();

async function pathOf(name: RegExp): Promise<string> {
  const entries = await readdir(cache(), { recursive: true });
  const found = entries.find((entry) => name.test(entry));
  if (!found) throw new Error(`Nothing in the cache is called ${name}`);
  return join(cache(), found);
}

test("a module is fetched once, without its documentation, equal files once, and runs here", async () => {
  const progress: number[] = [];
  await expectRuns("acme/double/1", {
    onProgress: (event) => event.kind === "receiving" && progress.push(event.receivedBytes),
  });
  expect(fileRequests()).toEqual(["model.onnx", "module.json", "twin.bin"]);
  expect(progress.length).toBeGreaterThan(0);
  server.sentBytes.clear();
  await expectRuns("acme/double");
  expect(fileRequests()).toEqual([]);
});

test("that a version was yanked is told when the hub is asked, and it runs all the same", async () => {
  version.yanked = { reason: "Wrong labels.", at: "2026-11-23T20:00:00.000Z" };
  const events: LoadEvent[] = [];
  await expectRuns("acme/double@stable", { onProgress: (event) => events.push(event) });
  expect(events.filter(({ kind }) => kind === "yanked")).toEqual([
    { kind: "yanked", handle: "acme/double/1", reason: "Wrong labels.", at: "2026-11-23T20:00:00.000Z" },
  ]);
});

test("a module runs in a process of its own with the same results and refusals", async () => {
  await expectRuns("acme/double/1", { isolated: true });
  await using module = await load("acme/double/1", { isolated: true });
  await expect(module.run({})).rejects.toMatchObject({ code: "input-missing" });
});

test("an isolated run can be stopped, and the next one works", async () => {
  await using module = await load("acme/double/1", { isolated: true });
  const stop = new AbortController();
  const run = module.run({ x: [[3, 4]] }, { signal: stop.signal });
  setImmediate(() => stop.abort(new Error("enough")));
  await expect(run).rejects.toThrow("enough");
  const { outputs } = await module.run({ x: [[1, 0]] });
  expect(outputs.unit?.data).toEqual(Float32Array.of(1, 0));
});

test("an isolated module whose process ends is told as such, and starts again with the next run", async () => {
  await using module = await load("acme/double/1", { isolated: true });
  const list = execFileSync("ps", ["-o", "pid=,args=", "--ppid", String(process.pid)], { encoding: "utf8" });
  const child = Number.parseInt(list.split("\n").find((line) => line.includes("isolated-child")) ?? "", 10);
  // Stopped first, so that the run can't end before the process does.
  process.kill(child, "SIGSTOP");
  const run = module.run({ x: [[3, 4]] });
  setTimeout(() => process.kill(child, "SIGKILL"), 50);
  await expect(run).rejects.toMatchObject({ code: "module-crashed" });
  expect((await module.run({ x: [[1, 0]] })).outputs.unit?.data).toEqual(Float32Array.of(1, 0));
});

test.each([
  [{ x: [[1, 2, 3]] }, undefined, "tensor-invalid"],
  [{ y: [[1, 2]] }, undefined, "input-unknown"],
  [{}, undefined, "input-missing"],
  [{ x: [[1, 2]] }, { signature: "none" }, "signature-unknown"],
  [{ x: [[1, 2]] }, { outputs: ["none"] }, "output-unknown"],
])(
  "inputs that don't fit (%j, %j) are refused with %s, as the hub refuses them",
  async (inputs, options, code) => {
    await using module = await load();
    await expect(module.run(inputs, options)).rejects.toMatchObject({ code });
  },
);

test("an exact version in the cache needs no hub; latest and aliases do, or say offline", async () => {
  await (await load("acme/double@stable")).close();
  await server[Symbol.asyncDispose]();
  await expectRuns("acme/double/1");
  await expectRuns(`acme/double@${version.digest}`);
  await expectRuns("acme/double@stable", { offline: true });
  await expect(load("acme/double", { offline: true })).rejects.toThrow(/not in the cache/);
  await expect(load("acme/double@stable")).rejects.toMatchObject({ name: "UnreachableError" });
}, 20_000);

test("a file of the cache that was damaged is fetched again, and only that one", async () => {
  await (await load()).close();
  for (const change of [
    async (path: string) => writeFile(path, (await readFile(path)).fill(0, 10, 20)),
    (path: string) => writeFile(path, "short"),
    (path: string) => rm(path),
    async (path: string) => {
      const { atime, mtime } = await stat(path);
      await writeFile(path, (await readFile(path)).fill(0, 10, 20));
      await utimes(path, atime, mtime);
    },
  ]) {
    server.sentBytes.clear();
    await change(await pathOf(/files.model\.onnx$/));
    await expectRuns();
    // A file that was removed is linked again from its blob.
    expect(["model.onnx", ""]).toContain(fileRequests().join());
  }
});

test("files that were put into the cache are never used", async () => {
  await (await load()).close();
  const files = join(await pathOf(/files.model\.onnx$/), "..");
  await writeFile(join(files, "model.onnx_data"), "planted");
  await writeFile(join(files, "tokenizer.json"), "planted");
  await writeFile(join(cache(), "partial", "planted"), "planted");
  server.sentBytes.clear();
  await expectRuns();
  await expectRuns("acme/double/1", { thorough: true });
  expect(fileRequests()).toEqual([]);
});

test("a blob that rotted on the disk is found by a thorough load, and fetched again", async () => {
  await (await load()).close();
  const path = await pathOf(/files.model\.onnx$/);
  const bytes = await readFile(path);
  // A list that says the file was seen as it is now is what rot looks like: no entry tells of it.
  await writeFile(path, Buffer.from(bytes).fill(0, 10, 20));
  const { mtimeNs, ctimeNs, ino } = await stat(path, { bigint: true });
  const list = await pathOf(/version\.json$/);
  const rotten = JSON.parse(await readFile(list, "utf8"));
  for (const file of rotten.files)
    if (file.path === "model.onnx")
      file.seen = { modified: `${mtimeNs}`, changed: `${ctimeNs}`, inode: `${ino}` };
  await writeFile(list, JSON.stringify(rotten));
  server.sentBytes.clear();
  await expectRuns("acme/double/1", { thorough: true });
  expect(fileRequests()).toEqual(["model.onnx"]);
  expect((await readFile(path)).equals(bytes)).toBe(true);
});

test("a compiled graph that was damaged is made again", async () => {
  await (await load()).close();
  const path = await pathOf(/\.compiled-.*\.onnx$/);
  await writeFile(path, "not a graph");
  server.sentBytes.clear();
  await expectRuns();
  expect(fileRequests()).toEqual([]);
});

test("what is damaged is not used offline", async () => {
  await (await load()).close();
  await writeFile(await pathOf(/files.model\.onnx$/), "short");
  await expect(load("acme/double/1", { offline: true })).rejects.toThrow(/damaged in the cache/);
});

test("a publisher's file under the name of a compiled graph is never loaded", async () => {
  await (await load()).close();
  const name = (await pathOf(/\.compiled-.*\.onnx$/)).split("/").at(-1)!;
  await rm(cache(), { recursive: true });
  version = servedVersion("acme/double", 1, {
    "module.json": MANIFEST,
    "model.onnx": doubling(),
    [name]: "planted",
  });
  server.served.clear();
  server.served.set("acme/double/1", version);
  await expectRuns();
});

test("a download that broke leaves a part that the next load continues", async () => {
  const large = Buffer.alloc(500_000, "weights ");
  version = servedVersion("acme/double", 1, {
    "module.json": MANIFEST,
    "model.onnx": doubling(),
    "weights.bin": large,
  });
  server.served.clear();
  server.served.set("acme/double/1", version);
  version.fault = (path, attempt) =>
    path !== "weights.bin"
      ? "none"
      : attempt === 0
        ? { dropAfter: 200_000 }
        : attempt === 1
          ? "internal"
          : "none";
  await expect(load()).rejects.toMatchObject({ code: "internal" });
  await expectRuns();
  expect(server.sentBytes.get("weights.bin")).toBe(large.length);
});

const PROCESS = join(import.meta.dirname, "load.test-process.ts");

/** Loads in a process of its own, as a user that isn't root; its exit code and what it printed. */
async function loadInProcess(user?: number): Promise<{ code: number | null; output: string }> {
  const child = fork(PROCESS, [server.url, cache()], {
    execArgv: [],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    ...(user !== undefined && { uid: user, gid: user }),
  });
  let output = "";
  child.stdout?.on("data", (chunk) => (output += chunk));
  child.stderr?.on("data", (chunk) => (output += chunk));
  const [code] = await once(child, "close");
  return { code, output };
}

test("processes that load the same module at once fetch it once", async () => {
  const results = await Promise.all([loadInProcess(), loadInProcess(), loadInProcess()]);
  expect(results).toEqual(results.map(() => ({ code: 0, output: "[0.6,0.8]\n" })));
  expect(server.sentBytes.get("model.onnx")).toBe(doubling().length);
}, 30_000);

test("a process killed while it loads leaves what the next continues at once, and nothing that could be used", async () => {
  const large = Buffer.alloc(500_000, "weights ");
  version = servedVersion("acme/double", 1, {
    "module.json": MANIFEST,
    "model.onnx": doubling(),
    "weights.bin": large,
  });
  server.served.clear();
  server.served.set("acme/double/1", version);
  version.fault = (path, attempt) =>
    path === "weights.bin" && attempt === 0 ? { stallAfter: 200_000 } : "none";
  const child = fork(PROCESS, [server.url, cache()], { execArgv: [], stdio: "ignore" });
  const partial = async () => {
    const names = await readdir(join(cache(), "partial")).catch(() => []);
    const sizes = names.map(async (name) => (await stat(join(cache(), "partial", name))).size);
    return (await Promise.all(sizes)).includes(200_000);
  };
  await expect.poll(partial, { timeout: 10_000 }).toBe(true);
  child.kill("SIGKILL");
  await once(child, "exit");
  await expect(load("acme/double/1", { offline: true })).rejects.toThrow(/not in the cache/);
  const started = performance.now();
  await expectRuns();
  expect(performance.now() - started).toBeLessThan(10_000);
  expect(server.sentBytes.get("weights.bin")).toBe(large.length);
  expect(await readdir(join(cache(), "partial"))).toEqual([]);
  expect(await readdir(join(cache(), "locks"))).toEqual([]);
}, 30_000);

/** Takes away, or gives back, everyone's right to write anything below a folder. */
async function setWritable(path: string, writable: boolean): Promise<void> {
  await chmod(path, writable ? 0o755 : 0o555);
  for (const entry of await readdir(path, { withFileTypes: true }))
    if (entry.isDirectory()) await setWritable(join(path, entry.name), writable);
}

test("a cache that can't be written works when it is complete, and says so when it is not", async (context) => {
  // Root may write everywhere, and a folder that only root may enter keeps anyone else from what lies in it.
  const user = process.getuid?.() === 0 ? 65534 : undefined;
  if (spawnSync(process.execPath, ["--version"], { uid: user }).error)
    context.skip(`user ${user} may not run ${process.execPath}`);
  await (await load()).close();
  await chmod(folder, 0o755);
  await setWritable(cache(), false);
  expect(await loadInProcess(user)).toEqual({ code: 0, output: "[0.6,0.8]\n" });
  await setWritable(cache(), true);
  await rm(join(cache(), "versions"), { recursive: true });
  await setWritable(cache(), false);
  const { code, output } = await loadInProcess(user);
  expect([code, output]).toEqual([
    1,
    expect.stringMatching(/LocalFileError: The cache folder .* can't be written/),
  ]);
  await setWritable(cache(), true);
}, 30_000);
