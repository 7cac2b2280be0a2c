import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { publishExamplesTo, startParts, stopParts } from "./parts.ts";

/** The repository's root. */
export const ROOT = new URL("../..", import.meta.url).pathname;

/**
 * Whether hubs are started from the parts in docker-compose.yml instead of by `npm start`; scripts/test-on-parts.ts
 * says which tests are about the latter.
 */
export const ON_PARTS = process.env.MODULEHUB_E2E === "parts";

/** A hub that runs: as `npm start` starts it, or on parts. */
export interface RunningHub {
  url: string;
  /** Addresses of the API's replicas; of the only one, the hub's. */
  apis: string[];
  /** Address of the S3 server that it keeps its blobs on; undefined where they lie in its folder. */
  storeUrl?: string;
  data: string;
  /** The admin token that the hub wrote on its first start. */
  token: string;
  /** Everything it printed so far. */
  output: () => string;
  /** Processes below which all of its own are. */
  pids: number[];
  /** Names of all that lies in its store: blobs, and parts on their way. */
  storedNames(): Promise<string[]>;
  /** Ctrl-C; resolves with the exit code. */
  interrupt(): Promise<number | null>;
  /** SIGKILL to the process that npm start runs, as an OOM killer would; to all of API and worker, on parts. */
  kill(): Promise<void>;
  /** SIGKILL to the API alone: to all of its replicas. */
  killApi(): Promise<void>;
  /** SIGKILL to all workers, which are then started again. */
  killWorkers(): Promise<void>;
}

export interface StartOptions {
  /** Kept from an earlier start; default: a fresh folder. */
  data?: string;
  env?: Record<string, string>;
  /** Whether the example modules are published, and waited for. Default true. */
  examples?: boolean;
  args?: string[];
}

const started = new Set<ChildProcess>();
const folders = new Set<string>();

/** Starts a hub on a free port and waits until it is ready. */
export async function startHub(options: StartOptions = {}): Promise<RunningHub> {
  const data = options.data ?? temporaryFolder();
  return ON_PARTS ? startOnParts(data, options) : startEmbedded(data, options);
}

async function startOnParts(data: string, options: StartOptions): Promise<RunningHub> {
  const parts = await startParts(ROOT, data, options.env ?? {});
  for (const url of [...parts.apis, parts.url])
    await until(`the hub is ready:\n${parts.output()}`, 60, async () => {
      const answer = await fetch(`${url}/health/ready`).catch(() => undefined);
      if (answer?.ok !== true) return false;
      return ((await answer.json()) as { worker?: string }).worker === "ok";
    });
  const hub = { ...parts, data };
  if (options.examples ?? true) await publishExamplesTo(hub);
  return hub;
}

async function startEmbedded(data: string, options: StartOptions): Promise<RunningHub> {
  const port = await freePort();
  const child = spawn(
    "npm",
    [
      ...["start", "--silent", "--", "--port", String(port), "--data", data],
      ...(options.examples === false ? ["--no-examples"] : []),
      ...(options.args ?? []),
    ],
    {
      cwd: ROOT,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
      // Its own group, so that Ctrl-C can be sent as a terminal does: to all of them.
      detached: true,
    },
  );
  started.add(child);
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (output += chunk));
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  const url = `http://127.0.0.1:${port}`;
  await until(`the hub is ready:\n${() => output}`, 60, async () => {
    if (child.exitCode !== null) throw new Error(`npm start ended with ${child.exitCode}:\n${output}`);
    return (await fetch(`${url}/health/ready`).catch(() => undefined))?.ok ?? false;
  });
  const hub: RunningHub = {
    url,
    apis: [url],
    data,
    token: readFileSync(join(data, "admin-token"), "utf8").trim(),
    output: () => output,
    pids: [child.pid!],
    async storedNames() {
      return ["blobs", "uploads"].flatMap((folder) =>
        readdirSync(join(data, folder), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name)),
      );
    },
    async interrupt() {
      process.kill(-child.pid!, "SIGINT");
      return await exited;
    },
    async kill() {
      process.kill(-child.pid!, "SIGKILL");
      await exited;
    },
    async killApi() {
      // It is the one that holds the data folder.
      process.kill(Number(readFileSync(join(data, "lock-holder"), "utf8")), "SIGKILL");
    },
    async killWorkers() {
      process.kill(Number(readFileSync(join(data, "cache/lock-holder"), "utf8")), "SIGKILL");
    },
  };
  if (options.examples ?? true)
    await until("the example modules are published", 120, async () => {
      const answer = await fetch(
        `${url}/v1/modules/modulehub/imagenet/efficientnet-lite0/feature-vector/versions/1`,
      );
      return answer.ok;
    });
  return hub;
}

/** Ends every hub that was started here, and removes their folders. */
export async function cleanUp(): Promise<void> {
  for (const child of started) {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = new Promise((resolve) => child.once("exit", resolve));
      process.kill(-child.pid!, "SIGKILL");
      await exited;
    }
  }
  started.clear();
  await stopParts();
  await Promise.all([...folders].map(unused));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  folders.clear();
}

/** Resolves when API and worker have let go of a data folder: they notice a while later that the hub was killed. */
async function unused(data: string): Promise<void> {
  for (const file of [join(data, "lock-holder"), join(data, "cache/lock-holder")]) {
    const pid = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
    if (pid > 0) await until(`process ${pid} has ended`, 60, async () => !isRunning(pid));
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "modulehub-e2e-"));
  folders.add(folder);
  return folder;
}

/** Polls until a condition holds; fails with `what` after so many seconds. */
export async function until(what: string, seconds: number, condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`Waited ${seconds} s, and still not: ${what}`);
    await sleep(100);
  }
}

/** A request with the admin token; JSON bodies are encoded. */
export async function call(
  hub: Pick<RunningHub, "url" | "token">,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  const raw = body instanceof Uint8Array || typeof body === "string";
  return await fetch(hub.url + path, {
    method,
    headers: {
      authorization: `Bearer ${hub.token}`,
      ...(body !== undefined && !raw && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: raw ? (body as string) : JSON.stringify(body) }),
  });
}

export interface CommandResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the `modulehub` command against a hub, as a user would from the repository. */
export async function modulehub(hub: RunningHub, ...args: string[]): Promise<CommandResult> {
  return await command("npx", ["modulehub", ...args], { MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: hub.token });
}

/** Runs a command in the repository's root to its end, with this text as its input. */
export async function command(
  file: string,
  args: string[],
  env: Record<string, string> = {},
  input = "",
): Promise<CommandResult> {
  const child = spawn(file, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  // A command that does not read it may have ended.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { code, stdout, stderr };
}

/** Resident memory of a process in bytes (Linux), or undefined where it can't be told. */
export function residentBytes(pid: number): number | undefined {
  const path = `/proc/${pid}/status`;
  if (!existsSync(path)) return undefined;
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(path, "utf8"));
  return match ? Number(match[1]) * 1024 : undefined;
}

async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
