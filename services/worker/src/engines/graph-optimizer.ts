import type { Engine, SessionSpec, SpawnEngine } from "./engine.ts";
import { BARE_ENGINE_BYTES } from "./memory-budget.ts";

/** What is to be kept in optimised form for the loads that come. */
export interface Optimizable {
  digest: string;
  /** Bytes of the module's files. */
  bytes: number;
  spec: Omit<SessionSpec, "signature" | "threads">;
}

export interface GraphOptimizerOptions {
  spawn: SpawnEngine;
  /** Whether so many bytes are free beside the engines that serve. */
  hasRoom(bytes: number): boolean;
  /** How long one graph may take. */
  deadlineMs: number;
}

/** Opening a smaller module takes no time that would be worth a file. */
const WORTH_BYTES = 1024 * 1024;

/** ONNX Runtime's own format holds no more. */
const MOST_BYTES = 2 ** 31 - 2 ** 24;

/** After a load requests come first. */
const DELAY_MS = 1000;

/** Of all that runs here this waits longest for a core. */
const NICE = 19;

/**
 * Writes the optimised forms of graphs that were loaded without them: one after the other, in an engine of its own
 * that nobody waits for, where there is memory for it. What can't be written is not tried again before the worker
 * starts anew; the graph itself serves on.
 */
export class GraphOptimizer {
  readonly counts = { written: 0, failed: 0 };
  readonly #options: GraphOptimizerOptions;
  readonly #wanted = new Map<string, Optimizable>();
  readonly #tried = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #working: { digest: string; engine: Engine } | undefined;
  #closed = false;

  constructor(options: GraphOptimizerOptions) {
    this.#options = options;
  }

  /** A graph was loaded. */
  loaded(graph: Optimizable): void {
    const key = keyOf(graph);
    if (graph.bytes < WORTH_BYTES || graph.bytes > MOST_BYTES || this.#tried.has(key)) return;
    this.#wanted.set(key, graph);
    this.#wait();
  }

  /** A module's files are about to go. */
  forget(digest: string): void {
    for (const [key, wanted] of this.#wanted) if (wanted.digest === digest) this.#wanted.delete(key);
    if (this.#working?.digest === digest) this.#working.engine.kill();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#working?.engine.kill();
    await this.#working?.engine.exited;
  }

  #wait(): void {
    if (this.#timer || this.#working || this.#closed || this.#wanted.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#optimizeNext();
    }, DELAY_MS).unref();
  }

  async #optimizeNext(): Promise<void> {
    for (const [key, graph] of this.#wanted) {
      this.#wanted.delete(key);
      // Weights as they are read, and as they are written.
      if (!this.#options.hasRoom(BARE_ENGINE_BYTES + 2 * graph.bytes)) continue;
      this.#tried.add(key);
      // What is wrong with the graph its loads say.
      const done = await this.#optimize(graph).then(
        () => "written" as const,
        () => "failed" as const,
      );
      this.counts[done] += 1;
      break;
    }
    this.#wait();
  }

  async #optimize({ digest, spec }: Optimizable): Promise<void> {
    const engine = await this.#options.spawn();
    this.#working = { digest, engine };
    try {
      if (this.#closed) return;
      engine.setNice(NICE);
      await engine.optimize(spec, this.#options.deadlineMs);
    } finally {
      engine.kill();
      await engine.exited;
      this.#working = undefined;
    }
  }
}

const keyOf = ({ digest, spec }: Optimizable): string => `${digest} ${JSON.stringify(spec.task)}`;
