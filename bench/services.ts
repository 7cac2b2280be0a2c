import { type ChildProcess, fork } from "node:child_process";
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
  const worker = await start("services/worker/src/main.ts", {
    MODULEHUB_WORKER_PORT: "0",
    MODULEHUB_HUB_URL: hub,
    MODULEHUB_WORKER_TOKEN: workerToken,
    MODULEHUB_CACHE: join(data, "cache"),
    MODULEHUB_LOG_LEVEL: "warn",
    ...workerSettings,
  });
  const api = await start("services/api/src/main.ts", {
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
    apiPid: api.child.pid ?? 0,
    workerPid: worker.child.pid ?? 0,
    async stop() {
      for (const { child } of [api, worker]) {
        const exited = new Promise((resolve) => child.once("exit", resolve));
        child.kill("SIGTERM");
        await exited;
      }
      rmSync(data, { recursive: true, force: true });
    },
  };
}

async function start(
  file: string,
  env: Record<string, string>,
): Promise<{ url: string; child: ChildProcess }> {
  const child = fork(join(ROOT, file), [], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  return await new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`${file} ended with ${code}`)));
    child.on("message", (message) => {
      if (typeof message === "object" && message !== null && "url" in message)
        resolve({ url: String(message.url), child });
    });
  });
}
