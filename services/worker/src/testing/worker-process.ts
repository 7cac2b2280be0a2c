import { type ChildProcess, spawn } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { type TestModule, temporaryFolder } from "./modules.ts";

const TOKEN = "a-token-for-tests-only";

/** A hub's API as far as a worker knows it. */
export interface HubForWorker {
  url: string;
  server: Server;
  /** What came as authorization. */
  tokens: Set<string | undefined>;
  close(): Promise<unknown>;
}

/** A hub that has these modules. */
export async function hubForWorker(modules: readonly TestModule[]): Promise<HubForWorker> {
  const tokens = new Set<string | undefined>();
  const server = createServer((request, response) => {
    tokens.add(request.headers.authorization);
    const [, kind, digest] =
      /^\/internal\/(contents|blobs)\/(.+)$/.exec(decodeURIComponent(request.url ?? "")) ?? [];
    const module = modules.find((each) => each.digest === digest);
    const blob = modules.flatMap(({ blobs }) => [...blobs]).find(([name]) => name === digest)?.[1];
    if (kind === "contents" && module)
      response.end(JSON.stringify({ digest, files: module.files, batching: {} }));
    else if (kind === "blobs" && blob) response.end(blob);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => new Promise((resolve) => server.close(resolve));
  return { url: `http://127.0.0.1:${port}`, tokens, server, close };
}

/** A worker as a process, as it is started in production. */
export interface WorkerProcess {
  child: ChildProcess;
  url: string;
  token: string;
  /** Its exit code. */
  ended: Promise<number | null>;
  /** Kills it and removes its cache. */
  remove(): Promise<void>;
}

/**
 * @param joins files of control groups that the process writes its id to before it begins
 */
export async function startWorkerProcess(
  hubUrl: string,
  joins: readonly string[] = [],
): Promise<WorkerProcess> {
  const { folder, remove } = await temporaryFolder();
  const script = 'node=$1; main=$2; shift 2; for file; do echo $$ > "$file"; done; exec "$node" "$main"';
  const main = fileURLToPath(new URL("../main.ts", import.meta.url));
  const child = spawn("sh", ["-ec", script, "sh", process.execPath, main, ...joins], {
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

/** Asks a worker's module, by its digest, for what it makes of `x`. */
export const askWorker = (
  { url, token }: Pick<WorkerProcess, "url" | "token">,
  digest: string,
  x: unknown,
): Promise<Response> =>
  fetch(`${url}/v1/infer`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      "modulehub-digest": digest,
      "modulehub-module": "a/b",
      "modulehub-version": "1",
    },
    body: JSON.stringify({ inputs: { x } }),
  });
