import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";

/** What API and workers share. */
export const WORKER_TOKEN = "a-worker-token-for-tests";
const ROOT = new URL("../../..", import.meta.url).pathname;

/** A part of a hub that can be killed and started again. */
export interface Part {
  name: string;
  start(): Promise<void>;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
}

export interface ApiPart extends Part {
  url(): string;
  token(): string;
  /** SIGTERM, and waits until it has ended in good order. */
  end(): Promise<void>;
}

export interface ApiSettings {
  data: string;
  workerUrl: string;
  databaseUrl?: string;
  /** Of Node, before the service's main file. */
  nodeFlags?: string[];
  env?: { [name: string]: string };
  /** A command that runs it: a tracer. It ends when the API does. */
  through?: string[];
}

/** The API as it is really started, on a port of its own. */
export function apiPart(
  name: string,
  { data, workerUrl, databaseUrl, nodeFlags = [], env = {}, through }: ApiSettings,
): ApiPart {
  let child: ChildProcess | undefined;
  let url = "";
  let token = "";
  return {
    name,
    url: () => url,
    token: () => token,
    start: async () => {
      let said = "";
      const started = fork(join(ROOT, "services/api/src/main.ts"), {
        env: {
          PATH: process.env.PATH,
          MODULEHUB_DATA: data,
          MODULEHUB_PORT: "0",
          MODULEHUB_LOG_LEVEL: "fatal",
          MODULEHUB_WORKER_URL: workerUrl,
          MODULEHUB_WORKER_TOKEN: WORKER_TOKEN,
          MODULEHUB_UPLOAD_PART_SIZE: "65536",
          ...(databaseUrl !== undefined && { MODULEHUB_DATABASE_URL: databaseUrl }),
          ...env,
        },
        ...(through && { execPath: through[0]! }),
        execArgv: through ? [...through.slice(1), process.execPath, ...nodeFlags] : nodeFlags,
        stdio: ["ignore", "ignore", "pipe", "ipc"],
      });
      child = started;
      started.stderr?.on("data", (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(-4_000);
      });
      const listening = once(started, "message") as Promise<[{ url: string }]>;
      const ended = once(started, "exit").then(() => undefined);
      const first = await Promise.race([listening, ended]);
      if (first === undefined) throw new Error(`${name} did not start: ${said}`);
      url = first[0].url;
      token = (await readFile(join(data, "admin-token"), "utf8")).trim();
    },
    kill: async () => killed(child, through !== undefined),
    end: async () => {
      const running = child;
      if (running === undefined) return;
      const gone = once(running, "exit");
      running.kill("SIGTERM");
      await gone;
    },
  };
}

/** A light worker that keeps its port. */
export async function workerPart(): Promise<Part & { url: string }> {
  const port = await freePort();
  let child: ChildProcess | undefined;
  return {
    name: "worker",
    url: `http://127.0.0.1:${port}`,
    start: async () => {
      child = fork(join(import.meta.dirname, "light-worker.ts"), [String(port)], {
        execArgv: [],
        env: { PATH: process.env.PATH },
      });
      await once(child, "message");
    },
    kill: async () => killed(child),
  };
}

/** `inside`: what is to die is the child of a process that ends with it. */
async function killed(child: ChildProcess | undefined, inside = false): Promise<void> {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  if (inside)
    process.kill(Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8")), "SIGKILL");
  else child.kill("SIGKILL");
  await gone;
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
