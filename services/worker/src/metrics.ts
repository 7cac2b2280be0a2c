import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { EnginePool } from "./engines/pool.ts";
import type { Probed } from "./engines/probe.ts";
import type { ModuleCache } from "./modules/module-cache.ts";
import type { BatchObserver, Scheduler } from "./scheduler/scheduler.ts";

/** What the worker counts; names in the manner of Prometheus, seconds and bytes. */
export interface WorkerMetrics {
  registry: Registry;
  observer: BatchObserver;
  /** An answer was sent. */
  answered(route: string, status: number, seconds: number): void;
  /** An answer was a problem with this code. */
  refused(code: string): void;
  /** Adds what is read when it is asked for. */
  watch(parts: {
    pool: EnginePool;
    scheduler: Scheduler;
    modules: ModuleCache;
    limits: { cores: number; budgetBytes: number };
  }): void;
  /** Which execution providers can be used. */
  probed(found: Probed): void;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function createMetrics(): WorkerMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const requests = new Histogram({
    name: "modulehub_worker_request_seconds",
    help: "Time from a request's arrival to its answer",
    labelNames: ["route", "status"],
    buckets: SECONDS,
    registers,
  });
  const problems = new Counter({
    name: "modulehub_worker_problems_total",
    help: "Answers that were problems, by code",
    labelNames: ["code"],
    registers,
  });
  const batchItems = new Histogram({
    name: "modulehub_worker_batch_items",
    help: "Items in a run",
    labelNames: ["mode"],
    buckets: [1, 2, 4, 8, 16, 32],
    registers,
  });
  const batchWaste = new Histogram({
    name: "modulehub_worker_batch_padding_ratio",
    help: "Part of a run that was padding",
    buckets: [0, 0.05, 0.1, 0.15, 0.25, 0.5, 0.75],
    registers,
  });
  const queueSeconds = new Histogram({
    name: "modulehub_worker_queue_seconds",
    help: "Time that the oldest item of a run waited",
    buckets: SECONDS,
    registers,
  });
  const computeSeconds = new Histogram({
    name: "modulehub_worker_compute_seconds",
    help: "Time of a run in its engine, by the kind of engine: wide (all cores), narrow (one), passing (short work beside long), background",
    labelNames: ["mode"],
    buckets: SECONDS,
    registers,
  });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  return {
    registry,
    observer: {
      batch({ mode: engine, role, items, waste, queueMs, computeMs }) {
        const mode = role === "main" ? engine : role;
        batchItems.observe({ mode }, items);
        batchWaste.observe(waste);
        queueSeconds.observe(queueMs / 1000);
        computeSeconds.observe({ mode }, computeMs / 1000);
      },
    },
    answered: (route, status, seconds) => requests.observe({ route, status: String(status) }, seconds),
    refused: (code) => problems.inc({ code }),
    probed({ executionProviders, unavailable }) {
      const usable = new Gauge({
        name: "modulehub_worker_execution_provider_usable",
        help: "1 for each configured execution provider that has run something, 0 for one that could not",
        labelNames: ["provider"],
        registers,
      });
      for (const provider of executionProviders) usable.set({ provider }, 1);
      for (const { executionProvider: provider } of unavailable) usable.set({ provider }, 0);
    },
    watch({ pool, scheduler, modules, limits }) {
      gauge("modulehub_worker_cores", "Cores that runs may use", () => limits.cores);
      gauge("modulehub_worker_memory_budget_bytes", "Memory that engines may hold", () => limits.budgetBytes);
      gauge("modulehub_worker_queued_items", "Items that wait", () => scheduler.queued);
      gauge(
        "modulehub_worker_queued_compute_seconds",
        "Seconds of one core that what waits is estimated to take",
        () => scheduler.queuedMs / 1000,
      );
      gauge("modulehub_worker_busy_cores", "Cores that runs use", () => scheduler.busyCores);
      gauge("modulehub_worker_engine_bytes", "Memory that engines hold", () => pool.residentBytes());
      gauge("modulehub_worker_cache_bytes", "Files of modules on disk", () => modules.bytes);
      watchModules(pool, registers);
      const total = (name: string, help: string, read: () => number) =>
        gauge(`modulehub_worker_engine_${name}_total`, help, read);
      total("loads", "Sessions that were opened", () => pool.counts.loads);
      total("optimizations", "Graphs kept in optimised form", () => pool.optimizations.written);
      total("optimizations_failed", "Graphs that could not be kept so", () => pool.optimizations.failed);
      total("evictions", "Engines that were ended to make room", () => pool.evictions);
      total("crashes", "Engines that died by themselves", () => pool.counts.crashes);
      total("timeouts", "Engines ended because a load or run overstayed", () => pool.counts.timeouts);
      total("memory_kills", "Engines ended because they held too much", () => pool.counts.memoryKills);
    },
  };
}

/** What is loaded now, by module: as many series as modules fit into memory. */
function watchModules(pool: EnginePool, registers: Registry[]): void {
  new Gauge({
    name: "modulehub_worker_engines",
    help: "Engines with a module, by the module's digest and their mode: wide (all cores) or narrow (one)",
    labelNames: ["digest", "mode"],
    registers,
    collect() {
      this.reset();
      for (const { digest, engines } of pool.loaded())
        for (const [mode, count] of Object.entries(engines)) this.set({ digest, mode }, count);
    },
  });
  new Gauge({
    name: "modulehub_worker_module_bytes",
    help: "Memory that a module's engines hold, by its digest",
    labelNames: ["digest"],
    registers,
    collect() {
      this.reset();
      for (const { digest, bytes } of pool.loaded()) this.set({ digest }, bytes);
    },
  });
}
