import { randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { mainOf } from "../../service-main.ts";
import { KeptAlive } from "./kept-alive.ts";
import { freePort } from "./port.ts";
import { type Ending, ServiceProcess } from "./service-process.ts";

export interface ServicesOptions {
  host: string;
  /** 0 takes any. */
  port: number;
  /** The data folder. */
  data: string;
  environment: NodeJS.ProcessEnv;
  /** Where the services' logs go besides DATA/logs. */
  echo?: NodeJS.WritableStream;
  /** Ends the start, as far as it is; what was started is stopped again. */
  signal: AbortSignal;
  onWorkerRestart(ending: Ending, pauseMs: number): void;
}

/** A hub that runs: the API, and a worker beside it. */
export interface RunningHub {
  url: string;
  /** Settles when the API ends without having been told to. */
  apiEnded: Promise<Ending>;
  /** The API first, so that nothing asks a worker that is going. */
  stop(): Promise<void>;
  kill(): void;
}

/** The API waits 10 s for open requests. */
const API_GRACE_MS = 15_000;
const WORKER_GRACE_MS = 10_000;

/**
 * Chunks of uploads and downloads die young. With V8's default young generation, which grows to 16 MiB times
 * three, a gigabyte that streams through leaves the API up to 100 MB larger; with 1 MiB it is 30 MB.
 */
const API_NODE_FLAGS = ["--max-semi-space-size=1"];

/**
 * Starts the worker and the API beside each other, with a token that only those two know. Throws PortError,
 * DataFolderError, and ServiceEnded
 * with what a service said where it could not start; nothing is left running then.
 */
export async function startServices(options: ServicesOptions): Promise<RunningHub> {
  const data = resolve(options.data);
  const port = await freePort(options.host, options.port);
  const workerPort = String(await freePort("127.0.0.1", 0));
  const logs = await writableFolder(data, "logs");
  const shared: NodeJS.ProcessEnv = {
    ...options.environment,
    MODULEHUB_WORKER_TOKEN: randomBytes(32).toString("base64url"),
  };
  const hubUrl = `http://${options.host.includes(":") ? `[${options.host}]` : options.host}:${port}`;
  const startWorker = () =>
    new ServiceProcess({
      name: "worker",
      main: mainOf("worker"),
      environment: {
        ...shared,
        MODULEHUB_WORKER_HOST: "127.0.0.1",
        MODULEHUB_WORKER_PORT: workerPort,
        MODULEHUB_HUB_URL: reachable(hubUrl),
        MODULEHUB_CACHE: shared.MODULEHUB_CACHE || resolve(data, "cache"),
      },
      logFile: resolve(logs, "worker.log"),
      echo: options.echo,
    });
  const first = startWorker();
  const api = new ServiceProcess({
    name: "api",
    main: mainOf("api"),
    nodeFlags: API_NODE_FLAGS,
    environment: {
      ...shared,
      MODULEHUB_HOST: options.host,
      MODULEHUB_PORT: String(port),
      MODULEHUB_DATA: data,
      MODULEHUB_WORKER_URL: `http://127.0.0.1:${workerPort}`,
    },
    logFile: resolve(logs, "api.log"),
    echo: options.echo,
  });
  const [url] = await bothListening(api, first, options.signal);
  const worker = new KeptAlive(first, startWorker, options.onWorkerRestart);
  return {
    url: reachable(url),
    apiEnded: api.ended,
    stop: async () => {
      await api.stop(API_GRACE_MS);
      await worker.stop(WORKER_GRACE_MS);
    },
    kill: () => {
      api.kill();
      worker.kill();
    },
  };
}

/** The data folder can't be used. */
export class DataFolderError extends Error {}

async function writableFolder(data: string, name: string): Promise<string> {
  const folder = resolve(data, name);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const probe = resolve(folder, `.${process.pid}`);
    await writeFile(probe, "");
    await rm(probe);
    return folder;
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? ` (${cause.code})` : "";
    throw new DataFolderError(
      `Nothing can be written in the data folder ${data}${code}. Make room or give this user the right to, or choose another with --data.`,
      { cause },
    );
  }
}

/** The addresses of services that are starting. Stops all where one fails or they are no longer wanted. */
async function bothListening(
  api: ServiceProcess,
  worker: ServiceProcess,
  signal: AbortSignal,
): Promise<[string, string]> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    signal.throwIfAborted();
    return await Promise.race([Promise.all([api.listening, worker.listening]), aborted]);
  } catch (error) {
    await Promise.all([api.stop(API_GRACE_MS), worker.stop(WORKER_GRACE_MS)]);
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** An address that listens everywhere is reached here by the loopback. */
const reachable = (url: string): string =>
  url.replace("//0.0.0.0", "//127.0.0.1").replace("//[::]", "//[::1]");
