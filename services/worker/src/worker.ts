import { join } from "node:path";
import { problem } from "@modulehub/core";
import { lockFolder } from "@modulehub/folder-lock";
import type { Tracing } from "@modulehub/tracing";
import type { FastifyInstance, FastifyServerOptions } from "fastify";
import { buildApp, type Readiness } from "./app.ts";
import { EngineProcess } from "./engines/engine-process.ts";
import { EnginePool } from "./engines/pool.ts";
import { type Probed, probeProviders } from "./engines/probe.ts";
import { Quarantine } from "./engines/quarantine.ts";
import { Inference } from "./inference.ts";
import { Inspector } from "./inspection/inspector.ts";
import { createMetrics } from "./metrics.ts";
import { watchFolder } from "./modules/folder-watch.ts";
import { ModuleCache } from "./modules/module-cache.ts";
import { keepPinned } from "./modules/pinned.ts";
import type { ModuleSource } from "./modules/source.ts";
import { OpenRequests } from "./open-requests.ts";
import { Preparation } from "./preparation/preparation.ts";
import { ThreadPool } from "./preparation/thread-pool.ts";
import { BodyIntake } from "./protocols/body-intake.ts";
import { Scheduler } from "./scheduler/scheduler.ts";
import { EmbeddingsCache } from "./training/embeddings-cache.ts";
import type { JobFiles } from "./training/hub-job-files.ts";
import { Jobs } from "./training/jobs.ts";

export interface WorkerSettings {
  source: ModuleSource;
  token: string;
  cacheFolder: string;
  cacheBytes: number;
  /** Bytes that all engines together may hold, and one of them. */
  memoryBudget: number;
  engineMemory: number;
  maxBodyBytes: number;
  /** Deadlines of one load, one run and one request, in milliseconds. */
  loadMs: number;
  runMs: number;
  requestMs: number;
  /** Handles of modules that are loaded at the start and stay. */
  pinned: readonly string[];
  /** Where what jobs make is sent. */
  jobFiles: JobFiles;
  /** Jobs at once, bytes of memory for the process of one, and least milliseconds between checkpoints. */
  jobsAtOnce: number;
  jobMemory: number;
  checkpointMs: number;
  /** Cores that runs may use together. */
  cores: number;
  /** ONNX Runtime's names, best first. Those that can't run anything here are reported, and not used. */
  executionProviders: readonly string[];
  /** After so many milliseconds without a run an extra engine of a module is ended. */
  extraIdleMs: number;
  /** Milliseconds that a request may wait for others, by estimate; beyond it is refused. */
  longestWaitMs: number;
  /** How long requests under way may take when the worker ends, in milliseconds. */
  drainMs: number;
  /** Called once when the cache folder was removed or replaced: the process should end, to be started anew. */
  onCacheLost: () => void;
  /** PATH, for the programs that limit engines. */
  searchPath: string;
  logger: FastifyServerOptions["logger"];
  /** Where spans of requests go. */
  tracing: Tracing;
}

/** Of the cache folder's bytes, those that embeddings of data sets may take. */
const EMBEDDINGS_SHARE = 0.25;

/** The largest bodies of which so many may be on their way in at once; as many more may wait to be read. */
const BODIES_AT_ONCE = 4;

/** A worker that runs: its HTTP service, not yet listening, and how to end it. */
export interface Worker {
  app: FastifyInstance;
  /** Refuses new requests, lets those that run finish for `drainMs`, then ends every engine. Idempotent. */
  close(): Promise<void>;
}

/**
 * Wires the parts of a worker together. Throws an Error that names the process where another worker has the cache
 * folder: at its start a worker removes what an earlier one left half done.
 */
export async function startWorker(settings: WorkerSettings): Promise<Worker> {
  const lock = lockFolder(
    settings.cacheFolder,
    (holder) =>
      `The cache folder is in use by the worker with process id ${holder}; stop it first, or choose another folder with MODULEHUB_CACHE.`,
  );
  const limits = {
    memoryBytes: settings.engineMemory,
    searchPath: settings.searchPath,
    codeFolder: join(settings.cacheFolder, "code"),
  };
  const spawn = async () => {
    const engine = new EngineProcess(limits);
    await engine.ready;
    return engine;
  };
  const probing = probeProviders(limits, settings.cacheFolder, settings.executionProviders);
  const executionProviders = probing.then(
    (found) => found.executionProviders,
    (cause) => {
      throw problem("worker-unavailable", "No execution provider can run anything here.", {
        retryAfter: 5,
        cause,
      });
    },
  );
  // Who loads a module is told.
  executionProviders.catch(() => undefined);
  const pool = new EnginePool({
    spawn,
    executionProviders,
    budgetBytes: settings.memoryBudget,
    engineBytes: settings.engineMemory,
    cores: settings.cores,
    loadMs: settings.loadMs,
    runMs: settings.runMs,
    memoryWaitMs: 5000,
    extraIdleMs: settings.extraIdleMs,
    watchMs: 500,
  });
  // Both within the folder's bytes: modules are asked for by people who wait, embeddings only by jobs.
  const embeddings = new EmbeddingsCache(
    join(settings.cacheFolder, "embeddings"),
    settings.cacheBytes * EMBEDDINGS_SHARE,
  );
  await embeddings.open();
  const modules = new ModuleCache(
    settings.cacheFolder,
    settings.source,
    settings.cacheBytes - settings.cacheBytes * EMBEDDINGS_SHARE,
    (digest) => pool.evict(digest),
  );
  await modules.open();
  const endWatch = await watchFolder(join(settings.cacheFolder, "blobs"), 1000, settings.onCacheLost);
  const metrics = createMetrics();
  const quarantine = new Quarantine();
  const scheduler = new Scheduler({
    engines: pool,
    quarantine,
    observer: metrics.observer,
    cores: settings.cores,
    longestWaitMs: settings.longestWaitMs,
  });
  const threads = new ThreadPool({
    threads: Math.max(2, settings.cores),
    jobMs: 15_000,
    heapMegabytes: 2048,
    waitingBytes: BODIES_AT_ONCE * settings.maxBodyBytes,
  });
  const { cores, memoryBudget: budgetBytes } = settings;
  metrics.watch({ pool, scheduler, modules, limits: { cores, budgetBytes } });
  const requests = new OpenRequests();
  let readiness: Readiness = { ready: false, reason: "The engines are being tried." };
  const inference = new Inference({ modules, preparation: new Preparation(threads), scheduler, quarantine });
  const jobs = new Jobs({
    ...{ inference, modules, embeddings, files: settings.jobFiles },
    limits: { ...limits, memoryBytes: settings.jobMemory },
    folder: join(settings.cacheFolder, "jobs"),
    atOnce: settings.jobsAtOnce,
    threads: settings.cores,
    checkpointMs: settings.checkpointMs,
  });
  await jobs.open();
  const app = buildApp({
    requests,
    jobs,
    inference,
    inspector: new Inspector(modules, limits, settings.cores),
    threads,
    intake: new BodyIntake(BODIES_AT_ONCE * settings.maxBodyBytes),
    metrics,
    token: settings.token,
    maxBodyBytes: settings.maxBodyBytes,
    requestMs: settings.requestMs,
    readiness: () => readiness,
    logger: settings.logger,
    tracing: settings.tracing,
  });
  const probed = probing.then(
    (found) => {
      if (!requests.draining) readiness = { ready: true, ...found };
      metrics.probed(found);
      reportUnavailable(app, found);
    },
    (error: unknown) => {
      readiness = {
        ready: false,
        reason: error instanceof Error ? error.message : "No engine could be started.",
      };
    },
  );
  const endPinning = keepPinned(settings.pinned, {
    source: settings.source,
    modules,
    pool,
    everyMs: 30_000,
    onFailure: (handle, error) => app.log.warn({ err: error, handle }, "a pinned module is not loaded"),
  });
  const close = async () => {
    readiness = { ready: false, reason: "The worker is shutting down." };
    endWatch();
    endPinning();
    jobs.stop();
    await requests.drain(settings.drainMs);
    // A connection whose last request was under way would be kept for the next one.
    app.server.closeAllConnections();
    await app.close();
    await probed;
    await Promise.all([pool.close(), threads.close()]);
    lock.release();
  };
  let closing: Promise<void> | undefined;
  return {
    app,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** What is configured and can't be had is said aloud: modules run on the others, which may be far slower. */
function reportUnavailable(app: FastifyInstance, { executionProviders, unavailable }: Probed): void {
  for (const each of unavailable)
    app.log.error({ ...each, used: executionProviders }, "a configured execution provider can't be used");
}
