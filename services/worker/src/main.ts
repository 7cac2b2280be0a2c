import { availableParallelism, totalmem } from "node:os";
import { isAbsolute, resolve } from "node:path";
import { endInOrder } from "@modulehub/service-end";
import { readSettings, SettingsError } from "@modulehub/settings";
import { openTracing } from "@modulehub/tracing";
import { z } from "zod";
import { groupLimits } from "./control-groups.ts";
import { launchers } from "./engines/child-process.ts";
import { residentMemory } from "./engines/resident-memory.ts";
import { hubSource } from "./modules/hub-source.ts";
import { hubJobFiles } from "./training/hub-job-files.ts";
import { startWorker } from "./worker.ts";

/** The worker as a process: the only file that reads the environment. */
const GIB = 1024 ** 3;

/** How long requests may take to finish once the worker is told to stop, in milliseconds. */
const DRAIN = 20_000;

/** How long all of the end may take; engines end with the worker, however it ends. */
const LAST = 25_000;

const bytes = z.coerce.number().int().min(1);
/** Seconds; a day is far from what Node's timers can wait, 2^31 − 1 ms, after which they would fire at once. */
const deadline = z.coerce.number().positive().max(86_400);
const environmentSchema = z.object({
  MODULEHUB_WORKER_HOST: z.string().default("127.0.0.1").describe("address to listen on"),
  MODULEHUB_WORKER_PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65535)
    .default(8090)
    .describe("port; 0 takes a free one"),
  MODULEHUB_HUB_URL: z.url().describe("address of the hub's API"),
  MODULEHUB_WORKER_TOKEN: z.string().min(16).describe("the token that API and workers share"),
  MODULEHUB_CACHE: z.string().default(".modulehub/worker-cache").describe("folder for files of modules"),
  MODULEHUB_CACHE_BYTES: bytes.default(20 * GIB).describe("bytes that this folder may take"),
  MODULEHUB_MEMORY_BUDGET: bytes.optional().describe("bytes for all engines; default 60 % of the machine"),
  MODULEHUB_ENGINE_MEMORY: bytes.optional().describe("bytes for one engine; default 4 GiB or the budget"),
  MODULEHUB_MAX_BODY: bytes.default(64 * 1024 ** 2).describe("bytes of a request's body"),
  MODULEHUB_LOAD_SECONDS: deadline.default(60).describe("longest load of a module, 86400 or fewer"),
  MODULEHUB_RUN_SECONDS: deadline.default(30).describe("longest run of a batch, 86400 or fewer"),
  MODULEHUB_WORKER_CORES: z.coerce
    .number()
    .int()
    .min(1)
    .optional()
    .describe("cores that runs may use; default all that this process may"),
  MODULEHUB_EXECUTION_PROVIDERS: z
    .string()
    .default("cpu")
    .transform((list) => list.split(",").flatMap((name) => name.trim() || []))
    .pipe(z.array(z.enum(["cpu", "cuda", "tensorrt", "webgpu", "coreml", "dml"])).min(1))
    .describe("where modules run, best first, such as cuda,cpu; those that can't run anything are reported"),
  MODULEHUB_WORKER_JOBS: z.coerce
    .number()
    .int()
    .min(0)
    .default(2)
    .describe("training and evaluation jobs at once; with 0 this worker takes none"),
  MODULEHUB_JOB_MEMORY: bytes
    .optional()
    .describe("bytes for the process of one job; default 4 GiB or the budget"),
  MODULEHUB_CHECKPOINT_SECONDS: z.coerce
    .number()
    .min(0)
    .default(10)
    .describe("least seconds between two checkpoints of a training job"),
  MODULEHUB_PINNED: z
    .string()
    .default("")
    .describe("handles, separated by commas, of modules that are loaded at the start and stay"),
  MODULEHUB_QUEUE_SECONDS: z.coerce
    .number()
    .positive()
    .default(5)
    .describe("longest estimated wait of a request for others; beyond it is refused with 429"),
  MODULEHUB_BATCHING: z
    .enum(["proven", "off"])
    .default("proven")
    .describe("off: every item runs alone, to compare with"),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url()
    .optional()
    .describe("collector of traces; without it no spans are made"),
  MODULEHUB_LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
  PATH: z.string().default(""),
});

/** Bytes and cores that this process may use: the machine's, or the least limit of its control groups. */
function machineLimits(): { memory: number; cores: number } {
  const groups = groupLimits();
  return {
    memory: Math.min(process.constrainedMemory() || totalmem(), totalmem(), groups.memoryBytes),
    cores: Math.max(1, Math.min(availableParallelism(), Math.floor(groups.cores))),
  };
}

function settingsOrExit() {
  try {
    return readSettings(environmentSchema, process.env);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    process.stderr.write(error.message);
    process.exit(2);
  }
}

async function main(): Promise<void> {
  const settings = settingsOrExit();
  const machine = machineLimits();
  const memoryBudget = settings.MODULEHUB_MEMORY_BUDGET ?? Math.floor(machine.memory * 0.6);
  const source = hubSource(
    settings.MODULEHUB_HUB_URL,
    settings.MODULEHUB_WORKER_TOKEN,
    settings.MODULEHUB_BATCHING === "proven",
  );
  const jobFiles = hubJobFiles(settings.MODULEHUB_HUB_URL, settings.MODULEHUB_WORKER_TOKEN);
  const cache = settings.MODULEHUB_CACHE;
  const worker = await startWorker({
    source,
    token: settings.MODULEHUB_WORKER_TOKEN,
    cacheFolder: isAbsolute(cache) ? cache : resolve(cache),
    cacheBytes: settings.MODULEHUB_CACHE_BYTES,
    memoryBudget,
    engineMemory: settings.MODULEHUB_ENGINE_MEMORY ?? Math.min(memoryBudget, 4 * GIB),
    maxBodyBytes: settings.MODULEHUB_MAX_BODY,
    loadMs: settings.MODULEHUB_LOAD_SECONDS * 1000,
    runMs: settings.MODULEHUB_RUN_SECONDS * 1000,
    requestMs: 60_000,
    jobFiles,
    jobsAtOnce: settings.MODULEHUB_WORKER_JOBS,
    jobMemory: settings.MODULEHUB_JOB_MEMORY ?? Math.min(memoryBudget, 4 * GIB),
    checkpointMs: settings.MODULEHUB_CHECKPOINT_SECONDS * 1000,
    cores: settings.MODULEHUB_WORKER_CORES ?? machine.cores,
    executionProviders: settings.MODULEHUB_EXECUTION_PROVIDERS,
    pinned: settings.MODULEHUB_PINNED.split(",").flatMap((handle) => handle.trim() || []),
    extraIdleMs: 120_000,
    longestWaitMs: settings.MODULEHUB_QUEUE_SECONDS * 1000,
    drainMs: DRAIN,
    onCacheLost: () => {
      worker.app.log.fatal("the cache folder was removed under this worker, which ends to be started anew");
      process.exit(1);
    },
    searchPath: settings.PATH,
    // When nobody reads the log any more, it is lost; pino's own stream would try again at the exit, for ever.
    logger: { level: settings.MODULEHUB_LOG_LEVEL, stream: process.stdout.on("error", () => undefined) },
    tracing: await openTracing("modulehub-worker", settings.OTEL_EXPORTER_OTLP_ENDPOINT),
  });
  const { setpriv, prlimit } = launchers(settings.PATH);
  const { log } = worker.app;
  if (!residentMemory.known) log.warn("there is neither /proc nor ps: engines' memory is not limited here");
  else if (!prlimit) log.warn("prlimit is missing: engines' memory is only watched, twice a second");
  if (!setpriv) log.warn("setpriv is missing: engines end when their pipe closes, not at once");
  endInOrder({
    async close() {
      await worker.close();
      await source.close();
      await jobFiles.close();
    },
    lastMs: LAST,
    late: () => log.fatal(`the worker did not end within ${LAST / 1000} s, and is ended now`),
    failed: (err) => log.fatal({ err }, "the worker could not close in order, and is ended now"),
  });
  const url = await worker.app.listen({
    host: settings.MODULEHUB_WORKER_HOST,
    port: settings.MODULEHUB_WORKER_PORT,
  });
  process.send?.({ kind: "listening", url });
}

await main().catch((error: unknown) => {
  console.error(`The worker could not start: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
});
