import type { Batching, Tensor } from "@modulehub/core";
import { EngineDied } from "../engines/engine.ts";
import type { EngineLease, PooledModule } from "../engines/pool.ts";
import { Quarantine } from "../engines/quarantine.ts";
import type { RunMode } from "../scheduler/cost-model.ts";
import type { EngineSource } from "../scheduler/engine-source.ts";
import { Scheduler, type SchedulerDeps, type Target } from "../scheduler/scheduler.ts";

/** Values stand for items, each one long unless it is told otherwise. */
export const proven: Batching = { inputs: { x: 0 }, outputs: { y: 0 }, pad: {} };

export const crash = () =>
  new EngineDied({ kind: "crash", code: null, signal: "SIGABRT", stderr: "" }, "run");

export const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

interface FakeRun {
  values: number[];
  mode: RunMode;
  digest: string;
  lowered: "others" | "background" | undefined;
  finish(): void;
}

/** Engines that double their inputs, and end a run when the test says so. */
export class FakeEngines implements EngineSource {
  /** What was run, in the order in which it began. */
  readonly runs: FakeRun[] = [];
  readonly holds = new Map<string, number>();
  opened = 0;
  grown = 0;
  readonly #die: (values: number[]) => Error | undefined;
  readonly #narrow: number;
  /** Engines at rest, by module and mode. */
  readonly #free = new Map<string, number>();
  readonly #open = new Set<string>();
  #waiting: (() => void)[] = [];
  /** Whose runs: everybody's, nobody's, or one module's. */
  #held: boolean | string = false;
  #failure: (() => Error) | undefined;

  readonly #runMs: (digest: string) => number;

  /** @param options `narrow`: extra engines that modules may have; `runMs`: what a module's run takes, in milliseconds */
  constructor(options: {
    die?: (values: number[]) => Error | undefined;
    narrow?: number;
    runMs?: (digest: string) => number;
  }) {
    this.#runMs = options.runMs ?? (() => 0);
    this.#die = options.die ?? (() => undefined);
    this.#narrow = options.narrow ?? 0;
  }

  get batches(): number[][] {
    return this.runs.map(({ values }) => values);
  }

  /** From now on runs end only when they are finished. */
  hold(): void;
  hold(digest: string): () => void;
  hold(digest?: string): (() => void) | undefined {
    if (digest === undefined) {
      this.#held = true;
      return undefined;
    }
    this.holds.set(digest, (this.holds.get(digest) ?? 0) + 1);
    return () => {
      const left = this.holds.get(digest)! - 1;
      if (left > 0) this.holds.set(digest, left);
      else this.holds.delete(digest);
    };
  }

  /** As `hold()`, for a module's runs alone. */
  holdRunsOf(digest: string): void {
    this.#held = digest;
  }

  /** Ends every run that is held, and holds none from now on. */
  finishAll(): void {
    this.#held = false;
    for (const finish of this.#waiting.splice(0)) finish();
  }

  failOpening(failure: () => Error): void {
    this.#failure = failure;
  }

  isOpen(digest: string): boolean {
    return this.#open.has(digest);
  }

  async open({ digest }: PooledModule): Promise<void> {
    this.opened += 1;
    if (this.#failure) throw this.#failure();
    this.#open.add(digest);
    this.#free.set(`${digest} wide`, 1);
  }

  grow({ digest }: PooledModule): Promise<void> | undefined {
    if (this.grown >= this.#narrow) return undefined;
    this.grown += 1;
    this.#add(`${digest} narrow`, 1);
    return Promise.resolve();
  }

  mayGrow(): boolean {
    return this.#narrow > 0;
  }

  canClaim(digest: string, _signature: string, mode: RunMode): boolean {
    return (this.#free.get(`${digest} ${mode}`) ?? 0) > 0;
  }

  claim(digest: string, signature: string, mode: RunMode): EngineLease | undefined {
    if (!this.canClaim(digest, signature, mode)) return undefined;
    this.#add(`${digest} ${mode}`, -1);
    let current: FakeRun | undefined;
    let lowered: FakeRun["lowered"];
    return {
      mode,
      fresh: false,
      run: async (feeds) => {
        const ended = Promise.withResolvers<void>();
        const values = Array.from(feeds.get("x")!.data as Float32Array);
        current = { values, mode, digest, lowered, finish: ended.resolve };
        this.runs.push(current);
        if (this.#held === true || this.#held === digest) {
          this.#waiting.push(ended.resolve);
          await ended.promise;
        }
        const runMs = this.#runMs(digest);
        if (runMs > 0) await new Promise((resolve) => setTimeout(resolve, runMs));
        const death = this.#die(values);
        if (death) throw death;
        const doubled = Float32Array.from(values, (value) => 2 * value);
        return new Map<string, Tensor>([["y", { dtype: "float32", shape: [values.length], data: doubled }]]);
      },
      lower: (behind) => {
        lowered = behind;
        if (current) current.lowered = behind;
      },
      release: () => this.#add(`${digest} ${mode}`, 1),
    };
  }

  #add(key: string, count: number): void {
    this.#free.set(key, (this.#free.get(key) ?? 0) + count);
  }
}

interface Asked {
  module?: string;
  caller?: string;
  signal?: AbortSignal;
  batching?: Batching;
  deadline?: number;
  priority?: "background";
}

/** A scheduler over such engines, and how to ask it: each value is an item of one request. */
export function schedulerOn(engines: EngineSource, deps: Partial<SchedulerDeps> = {}) {
  const scheduler = new Scheduler({
    engines,
    quarantine: new Quarantine(),
    observer: { batch: () => undefined },
    cores: 2,
    longestWaitMs: 10_000,
    ...deps,
  });
  const submit = async (values: number[], asked: Asked = {}): Promise<(number | undefined)[]> => {
    const target: Target = {
      module: {
        digest: asked.module ?? "sha256:m",
        folder: "/nowhere",
        bytes: 1,
        compileTask: () => ({ graph: "", compiled: null, inputs: [], appended: [], feeds: [], fetches: [] }),
      },
      signature: "default",
      batching: asked.batching ?? proven,
    };
    const items = values.map(
      (value) =>
        new Map<string, Tensor>([["x", { dtype: "float32", shape: [1], data: Float32Array.of(value) }]]),
    );
    const fetched = await scheduler.submit(target, items, {
      caller: asked.caller ?? "",
      signal: asked.signal ?? new AbortController().signal,
      deadline: asked.deadline ?? performance.now() + 60_000,
      ...(asked.priority && { priority: asked.priority }),
    });
    return fetched.map((fetches) => fetches.get("y")?.data[0] as number | undefined);
  };
  return { scheduler, submit };
}
