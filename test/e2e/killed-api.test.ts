import { type ChildProcess, fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, ROOT, type RunningHub } from "./hub.ts";
import { publishFiles } from "./publish-files.ts";

/**
 * The API on its embedded database and folder is killed again and again while a client changes things. What was
 * answered as done is kept in a record of its own, and compared after each start.
 */

const KILLS = 20;
const WORKER_TOKEN = "a-worker-token-for-tests";
const MODULE = "acme/killed";
/** Printed, so that a failure can be had again: the moments differ, what is done does not. */
const SEED = Date.now() % 2 ** 31;

let data: string;
let worker: Server;
let api: ChildProcess | undefined;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "modulehub-killed-"));
  worker = await startWorker();
});
afterAll(async () => {
  api?.kill("SIGKILL");
  worker.closeAllConnections();
  worker.close();
  await rm(data, { recursive: true, force: true });
});

/** Numbers from 0 to 1: mulberry32, public domain, T. Ettinger. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Hub = Pick<RunningHub, "url" | "token">;

/** Accepts every module, so that a round takes milliseconds; what is tried here is the API. */
async function startWorker(): Promise<Server> {
  const report = {
    runtime: { onnxruntime: "1.30.0", executionProvider: "cpu" },
    graphs: {},
    signatures: { default: { batching: "none", evidence: ["Nothing was tried."] } },
    examples: [],
    load: { milliseconds: 1, peakBytes: 1 },
  };
  const server = createServer((request, response) => {
    request.resume();
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ outcome: "accepted", report }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

const MANIFEST = JSON.stringify({
  schemaVersion: 1,
  task: "text-embedding",
  signatures: {
    default: {
      inputs: { text: { dtype: "string", shape: ["batch"] } },
      outputs: { default: { dtype: "float32", shape: ["batch", 4] } },
    },
  },
});
const filesOf = (seed: string): Record<string, Uint8Array> => ({
  "module.json": Buffer.from(MANIFEST),
  "model.onnx": Buffer.from(`graph ${seed}`),
  "README.md": Buffer.from(`# ${seed}`),
});
const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** Asks, and reads the answer as JSON of the form that the route has. */
async function ask<T>(
  hub: Hub,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: T }> {
  const answer = await call(hub, method, path, body);
  return { status: answer.status, body: (await answer.json()) as T };
}

async function start(): Promise<Hub> {
  api = fork(join(ROOT, "services/api/src/main.ts"), {
    env: {
      PATH: process.env.PATH,
      MODULEHUB_DATA: data,
      MODULEHUB_PORT: "0",
      MODULEHUB_LOG_LEVEL: "error",
      MODULEHUB_WORKER_URL: `http://127.0.0.1:${(worker.address() as AddressInfo).port}`,
      MODULEHUB_WORKER_TOKEN: WORKER_TOKEN,
      MODULEHUB_UPLOAD_PART_SIZE: "65536",
    },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const [message] = (await once(api, "message")) as [{ url: string }];
  const token = (await readFile(join(data, "admin-token"), "utf8")).trim();
  return { url: message.url, token };
}

/** A value that was answered, or those that it may have when no answer came. */
type Maybe<T> = Set<T>;

interface Acknowledged {
  /** By number: what was published. */
  versions: Map<number, string>;
  aliases: Map<string, Maybe<number>>;
  yanked: Map<number, Maybe<boolean>>;
  /** By upload: parts that were taken. */
  parts: Map<string, Set<number>>;
}

/** Does one thing after the other until the API is gone; what is answered goes into the record. */
async function change(hub: Hub, record: Acknowledged, random: () => number, round: number): Promise<void> {
  const pick = <T>(items: T[]): T => items[Math.floor(random() * items.length)]!;
  for (let step = 0; ; step++) {
    const numbers = [...record.versions.keys()];
    const kind = numbers.length === 0 ? 0 : random();
    if (kind < 0.4) {
      const seed = `round ${round} step ${step}`;
      const ended = await publishFiles(hub, MODULE, filesOf(seed));
      expect(ended.state).toBe("published");
      record.versions.set(ended.version!, seed);
    } else if (kind < 0.6) {
      const [name, version] = [pick(["stable", "next"]), pick(numbers)];
      const before = record.aliases.get(name) ?? new Set();
      record.aliases.set(name, new Set([...before, version]));
      const answer = await ask(hub, "PUT", `/v1/modules/${MODULE}/aliases/${name}`, { version });
      expect([200, 201]).toContain(answer.status);
      record.aliases.set(name, new Set([version]));
    } else if (kind < 0.8) {
      const version = pick(numbers);
      record.yanked.set(version, new Set([true, false]));
      const path = `/v1/modules/${MODULE}/versions/${version}/yank`;
      const answer = await ask(hub, "POST", path, { reason: "tried" });
      expect(answer.status).toBe(200);
      record.yanked.set(version, new Set([true]));
    } else {
      const opened = await ask<{ id: string }>(hub, "POST", "/v1/uploads", {
        publisher: "acme",
        size: 655_360,
      });
      const taken = new Set<number>();
      record.parts.set(opened.body.id, taken);
      for (const n of [1, 2, 3]) {
        const answer = await ask(
          hub,
          "PUT",
          `/v1/uploads/${opened.body.id}/parts/${n}`,
          Buffer.alloc(65_536, n),
        );
        expect(answer.status).toBe(200);
        taken.add(n);
      }
    }
  }
}

/** Everything in the record is there; and what is there is whole, whether it was answered or not. */
async function compare(hub: Hub, record: Acknowledged): Promise<void> {
  const headers = { authorization: `Bearer ${hub.token}` };
  const base = `/v1/modules/${MODULE}/versions`;
  const { body } = await ask<{ items?: { version: number; yanked?: unknown }[] }>(
    hub,
    "GET",
    `${base}?limit=1000`,
  );
  const listed = new Map((body.items ?? []).map(({ version, yanked }) => [version, yanked !== undefined]));
  for (const [version, seed] of record.versions) {
    expect(listed.has(version), `version ${version} was published`).toBe(true);
    const file = await fetch(`${hub.url}${base}/${version}/files/model.onnx`, { headers });
    expect(await file.text()).toBe(`graph ${seed}`);
  }
  for (const version of listed.keys()) {
    const answer = await ask<{ files: { path: string; digest: string }[] }>(hub, "GET", `${base}/${version}`);
    for (const { path, digest } of answer.body.files) {
      const file = await fetch(`${hub.url}${base}/${version}/files/${path}`, { headers });
      expect(digestOf(new Uint8Array(await file.arrayBuffer()))).toBe(digest);
    }
  }
  for (const [version, may] of record.yanked) expect(may).toContain(listed.get(version));
  const { body: aliases } = await ask<{ items?: { alias: string; version: number }[] }>(
    hub,
    "GET",
    `/v1/modules/${MODULE}/aliases`,
  );
  const now = new Map((aliases.items ?? []).map(({ alias, version }) => [alias, version]));
  for (const [name, may] of record.aliases)
    if (now.has(name) || may.size === 1) expect(may).toContain(now.get(name));
  for (const [id, parts] of record.parts) {
    const upload = await ask<{ received: number[] }>(hub, "GET", `/v1/uploads/${id}`);
    expect(upload.body.received).toEqual(expect.arrayContaining([...parts]));
  }
}

test(`nothing that was answered is lost by ${KILLS} kills (seed ${SEED})`, async () => {
  const random = randomFrom(SEED);
  const record: Acknowledged = {
    versions: new Map(),
    aliases: new Map(),
    yanked: new Map(),
    parts: new Map(),
  };
  for (let round = 0; round < KILLS; round++) {
    const hub = await start();
    await compare(hub, record);
    await ask(hub, "POST", "/v1/publishers", { id: "acme" });
    const changing = change(hub, record, random, round).catch((error: unknown) => error);
    await sleep(50 + random() * 1_500);
    api!.kill("SIGKILL");
    await once(api!, "exit");
    const error = await changing;
    // The connection that broke, and nothing else.
    expect(error, String(error)).toBeInstanceOf(TypeError);
    expect(String(error)).toMatch(/fetch failed|terminated/);
  }
  await compare(await start(), record);
  expect(record.versions.size).toBeGreaterThan(0);
}, 240_000);
