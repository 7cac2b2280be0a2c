import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = new URL("..", import.meta.url).pathname;

/** An API and a worker as processes of their own, whose token the bench knows. */
export interface Services {
  api: string;
  worker: string;
  adminToken: string;
  workerToken: string;
  apiPid: number;
  workerPid: number;
  stop(): Promise<void>;
}

/**
 * Starts both services on free ports, with an embedded database in a temporary folder.
 *
 * @param workerSettings environment of the worker, besides what it needs
 */
export async function startServices(workerSettings: Record<string, string> = {}): Promise<Services> {
  const data = mkdtempSync(join(tmpdir(), "modulehub-bench-"));
  const workerToken = randomBytes(24).toString("hex");
  const apiPort = 20_000 + Math.floor(Math.random() * 20_000);
  const hub = `http://127.0.0.1:${apiPort}`;
  const worker = await startWorker(hub, workerToken, join(data, "cache"), workerSettings);
  const api = await startService("services/api/src/main.ts", {
    MODULEHUB_PORT: String(apiPort),
    MODULEHUB_DATA: data,
    MODULEHUB_WORKER_URL: worker.url,
    MODULEHUB_WORKER_TOKEN: workerToken,
    MODULEHUB_LOG_LEVEL: "warn",
  });
  return {
    api: api.url,
    worker: worker.url,
    adminToken: readFileSync(join(data, "admin-token"), "utf8").trim(),
    workerToken,
    apiPid: api.pid,
    workerPid: worker.pid,
    async stop() {
      await api.stop();
      await worker.stop();
      rmSync(data, { recursive: true, force: true });
    },
  };
}

/** A process of one of the services, which listens. */
export interface Service {
  url: string;
  pid: number;
  /** Ends it as an operator would, and waits until it has. */
  stop(): Promise<void>;
}

/** Starts a worker on a free port. */
export const startWorker = (
  hub: string,
  token: string,
  cache: string,
  settings: Record<string, string> = {},
): Promise<Service> =>
  startService("services/worker/src/main.ts", {
    MODULEHUB_WORKER_PORT: "0",
    MODULEHUB_HUB_URL: hub,
    MODULEHUB_WORKER_TOKEN: token,
    MODULEHUB_CACHE: cache,
    MODULEHUB_LOG_LEVEL: "warn",
    ...settings,
  });

async function startService(file: string, env: Record<string, string>): Promise<Service> {
  const child = fork(join(ROOT, file), [], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const url = await new Promise<string>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`${file} ended with ${code}`)));
    child.on("message", (message) => {
      if (typeof message === "object" && message !== null && "url" in message) resolve(String(message.url));
    });
  });
  return {
    url,
    pid: child.pid ?? 0,
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
