import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { type Digest, INTERNAL_JOB_ROUTE } from "@modulehub/core";
import { type TestModule, temporaryFolder } from "./modules.ts";

const TOKEN = "a-token-for-tests-only";

/** A hub's API as far as a worker knows it. */
export interface HubForWorker {
  url: string;
  /** What came as authorization. */
  tokens: Set<string | undefined>;
  /** Bytes of the modules, of whatever else a test gives it, and of what jobs sent. */
  blobs: Map<Digest, Uint8Array>;
  close(): Promise<unknown>;
}

/** A hub that has these modules. */
export async function hubForWorker(modules: readonly TestModule[]): Promise<HubForWorker> {
  const tokens = new Set<string | undefined>();
  const blobs = new Map(modules.flatMap((module) => [...module.blobs]));
  const server = createServer(async (request, response) => {
    tokens.add(request.headers.authorization);
    const path = decodeURIComponent(request.url ?? "");
    const [, kind, digest] = /^\/internal\/(contents|blobs)\/(.+)$/.exec(path) ?? [];
    const module = modules.find((each) => each.digest === digest);
    const blob = blobs.get(digest as Digest);
    if (request.method === "PUT" && path.startsWith(INTERNAL_JOB_ROUTE)) {
      blobs.set(path.split("/").at(-1) as Digest, await buffer(request));
      response.writeHead(204).end();
    } else if (kind === "contents" && module)
      response.end(JSON.stringify({ digest, files: module.files, batching: {} }));
    else if (kind === "blobs" && blob) response.end(blob);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${port}`, tokens, blobs, close };
}

/** A worker as a process, as it is started in production. */
export interface WorkerProcess {
  child: ChildProcess;
  /** Its cache's folder, as the process itself sees it. */
  cache: string;
  url: string;
  token: string;
  /** Its exit code. */
  ended: Promise<number | null>;
  /** Kills it, and removes its cache if that is its own. */
  remove(): Promise<void>;
}

/** What is done to a worker's process before it begins. */
export interface WorkerSetting {
  /** A program with its arguments that starts the process. Default: none. */
  launcher?: readonly string[];
  /** Commands for `sh` that are run in the process first. The cache's folder is in `$MODULEHUB_CACHE`. */
  first?: string;
  /** The folder of its cache, which stays when the worker is removed. Default: one of its own. */
  cache?: string;
}

export async function startWorkerProcess(
  hubUrl: string,
  { launcher = [], first = "", cache }: WorkerSetting = {},
): Promise<WorkerProcess> {
  const { folder, remove } =
    cache === undefined ? await temporaryFolder() : { folder: cache, remove: async () => undefined };
  const main = fileURLToPath(new URL("../main.ts", import.meta.url));
  const shell = ["sh", "-ec", `${first}\nexec "$0" "$1"`, process.execPath, main];
  const [program, ...args] = [...launcher, ...shell] as [string, ...string[]];
  const child = spawn(program, args, {
    env: {
      PATH: process.env.PATH,
      MODULEHUB_WORKER_PORT: "0",
      MODULEHUB_HUB_URL: hubUrl,
      MODULEHUB_WORKER_TOKEN: TOKEN,
      MODULEHUB_CACHE: folder,
      MODULEHUB_LOG_LEVEL: "silent",
    },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const url = await new Promise<string>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the worker ended with ${code}`)));
    child.on("message", (message: { kind: string; url: string }) => {
      if (message.kind === "listening") resolve(message.url);
    });
  });
  return {
    child,
    cache: folder,
    url,
    token: TOKEN,
    ended,
    async remove() {
      child.kill("SIGKILL");
      await ended;
      await remove();
    },
  };
}

/** Asks a worker to do something with a module, by its digest. */
export const postToWorker = (
  { url, token }: Pick<WorkerProcess, "url" | "token">,
  operation: string,
  digest: string,
  body: object,
): Promise<Response> =>
  fetch(`${url}/v1/${operation}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      "modulehub-digest": digest,
      "modulehub-module": "a/b",
      "modulehub-version": "1",
    },
    body: JSON.stringify(body),
  });

/** Asks a worker's module, by its digest, for what it makes of `x`. */
export const askWorker = (
  worker: Pick<WorkerProcess, "url" | "token">,
  digest: string,
  x: unknown,
): Promise<Response> => postToWorker(worker, "infer", digest, { inputs: { x } });
