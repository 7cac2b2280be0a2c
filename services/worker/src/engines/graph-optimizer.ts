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
  /**
   * Whether what this holds (`heldBytes`) fits beside the engines that serve; with `evict` one that rests is ended
   * for it.
   */
  makeRoom(how: "free" | "evict"): Promise<boolean>;
  /** How long one graph may take. */
  deadlineMs: number;
}

/** Opening a smaller module takes no time that would be worth a file. */
const WORTH_BYTES = 1024 * 1024;

/** ONNX Runtime's own format holds no more. */
const MOST_BYTES = 2 ** 31 - 2 ** 24;

/** What the peak is of the graph's bytes, as they are read, rewritten and written: measured 2.75 for 90 MB. */
const PEAK_FACTOR = 3;

/** After a load requests come first. */
const DELAY_MS = 1000;

/** Of all that runs here this waits longest for a core. */
const NICE = 19;

/**
 * A module that is loaded from its graph so often had to make room in between and came back: from then on other
 * engines make room for its optimised form, once. All later loads take half the time, theirs too.
 */
const EVICTING_LOADS = 2;

/** One graph that is being written, from when its memory is asked for. */
interface Work {
  digest: string;
  bytes: number;
  engine: Engine | undefined;
  /** Whether it was told to end. */
  given: boolean;
  ended: Promise<void>;
}

/**
 * Writes the optimised forms of graphs that were loaded without them: one after the other, in an engine of its own
 * that nobody waits for, where there is memory for it. What can't be written is not tried again before the worker
 * starts anew; the graph itself serves on.
 */
export class GraphOptimizer {
  readonly counts = { written: 0, failed: 0 };
  readonly #options: GraphOptimizerOptions;
  readonly #wanted = new Map<string, Optimizable>();
  readonly #loads = new Map<string, number>();
  readonly #tried = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #work: Work | undefined;
  #closed = false;

  constructor(options: GraphOptimizerOptions) {
    this.#options = options;
  }

  /** A graph was loaded. */
  loaded(graph: Optimizable): void {
    const key = keyOf(graph);
    if (graph.bytes < WORTH_BYTES || graph.bytes > MOST_BYTES || this.#tried.has(key)) return;
    this.#wanted.set(key, graph);
    this.#loads.set(key, (this.#loads.get(key) ?? 0) + 1);
    this.#wait(DELAY_MS);
  }

  /** A module's files are about to go. */
  forget(digest: string): void {
    for (const [key, wanted] of this.#wanted) if (wanted.digest === digest) this.#wanted.delete(key);
    for (const key of this.#loads.keys()) if (key.startsWith(`${digest} `)) this.#loads.delete(key);
    if (this.#work?.digest === digest) void this.give();
  }

  /** Bytes that are kept for it, or that it holds where that is more. */
  heldBytes(): number {
    return this.#work ? Math.max(this.#work.bytes, this.#work.engine?.residentBytes() ?? 0) : 0;
  }

  /** Bytes that it holds now. */
  residentBytes(): number {
    return this.#work?.engine?.residentBytes() ?? 0;
  }

  /** Ends what it is at, to make room; resolves when the memory is back. Undefined where it rests. */
  give(): Promise<void> | undefined {
    const work = this.#work;
    if (!work) return undefined;
    work.given = true;
    work.engine?.kill();
    return work.ended;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.give();
  }

  #wait(ms: number): void {
    if (this.#timer || this.#work || this.#closed || this.#wanted.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const ended = Promise.withResolvers<void>();
      void this.#optimizeNext(ended.promise).finally(() => {
        this.#work = undefined;
        ended.resolve();
        this.#wait(0);
      });
    }, ms).unref();
  }

  async #optimizeNext(ended: Promise<void>): Promise<void> {
    for (const [key, graph] of this.#wanted) {
      this.#wanted.delete(key);
      const bytes = BARE_ENGINE_BYTES + PEAK_FACTOR * graph.bytes;
      const work: Work = { digest: graph.digest, bytes, engine: undefined, given: false, ended };
      this.#work = work;
      const how = (this.#loads.get(key) ?? 0) < EVICTING_LOADS ? "free" : "evict";
      const room = await this.#options.makeRoom(how);
      if (work.given) return;
      if (!room) continue;
      this.#tried.add(key);
      this.#loads.delete(key);
      // What is wrong with the graph its loads say.
      const done = await this.#optimize(graph, work).then(
        () => "written" as const,
        () => "failed" as const,
      );
      if (work.given) this.#tried.delete(key);
      else this.counts[done] += 1;
      return;
    }
  }

  async #optimize({ spec }: Optimizable, work: Work): Promise<void> {
    const engine = await this.#options.spawn();
    work.engine = engine;
    try {
      if (work.given) return;
      engine.setNice(NICE);
      await engine.optimize(spec, this.#options.deadlineMs);
    } finally {
      engine.kill();
      await engine.exited;
    }
  }
}

const keyOf = ({ digest, spec }: Optimizable): string => `${digest} ${JSON.stringify(spec.task)}`;
