import { problem, type Tensor } from "@modulehub/core";
import type { CompileTask } from "@modulehub/runtime";
import type { Engine, SessionInfo, SpawnEngine } from "./engine.ts";

/** What the pool must know of a module to load it. */
export interface PooledModule {
  /** The version's digest: what tells modules apart. */
  digest: string;
  folder: string;
  /** Bytes of its files; weights are most of what a session takes. */
  bytes: number;
  /** What engines load for one of its signatures. */
  compileTask(signature: string): CompileTask;
}

export interface PoolOptions {
  spawn: SpawnEngine;
  /** Bytes that all engines together may hold. */
  budgetBytes: number;
  /** Bytes that one engine may hold; enforced here too where the platform can't. */
  engineBytes: number;
  threads: number;
  loadMs: number;
  runMs: number;
  /** How long a load waits for engines that are at work before it is refused. */
  memoryWaitMs: number;
  /** How often memory is looked at. */
  watchMs: number;
}

/** An open session that stays open until it is released. */
export interface EngineLease {
  /** Throws EngineDied, or what the runtime said of these feeds. */
  run(feeds: ReadonlyMap<string, Tensor>): Promise<Map<string, Tensor>>;
  release(): void;
}

/** What the pool did since it began, for metrics. */
export interface PoolCounts {
  loads: number;
  evictions: number;
  crashes: number;
  timeouts: number;
  memoryKills: number;
}

interface Slot {
  module: PooledModule;
  engine: Promise<Engine>;
  live: Engine | undefined;
  sessions: Map<string, Promise<SessionInfo>>;
  /** Loads and runs under way, or waiting for it. */
  users: number;
  lastUsed: number;
  /** Bytes that it is counted with until its first load is done. */
  reservedBytes: number;
}

/** An engine with nothing loaded: measured 61 MB, the very first one 81 MB. */
const BARE_ENGINE_BYTES = 64 * 1024 * 1024;

/**
 * Engines by module, within a budget of measured memory. An idle session stays until its memory is needed;
 * then the module that was used longest ago goes first, by ending its process, which really gives the memory
 * back. One engine is kept spawned with nothing in it.
 */
export class EnginePool {
  readonly counts: PoolCounts = { loads: 0, evictions: 0, crashes: 0, timeouts: 0, memoryKills: 0 };
  readonly #options: PoolOptions;
  readonly #slots = new Map<string, Slot>();
  readonly #watch: NodeJS.Timeout;
  #spare: Promise<Engine> | undefined;
  #spareLive: Engine | undefined;
  #admitting: Promise<unknown> = Promise.resolve();
  #idle = Promise.withResolvers<void>();
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#watch = setInterval(() => this.#watchMemory(), options.watchMs);
    this.#watch.unref();
    this.#refillSpare();
  }

  /**
   * Opens a signature of a module, starting its engine and loading it first where that hasn't happened; everyone
   * who waits for a load shares it. The engine stays until the lease is released. Throws EngineDied where the
   * engine died of it, `out-of-memory` where there is no room, or what the runtime said of the graph.
   */
  async use(module: PooledModule, signature: string): Promise<EngineLease> {
    const slot = this.#slotOf(module);
    slot.users += 1;
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      slot.users -= 1;
      slot.lastUsed = performance.now();
      if (slot.users === 0) this.#announceIdle();
    };
    try {
      const engine = await slot.engine;
      await this.#session(slot, engine, signature);
      slot.reservedBytes = 0;
      return { run: (feeds) => engine.run(signature, feeds, this.#options.runMs), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Ends a module's engine, if there is one, whatever it does. */
  evict(digest: string): void {
    this.#slots.get(digest)?.live?.kill();
  }

  /** Bytes that engines hold now, the spare one among them. */
  residentBytes(): number {
    let sum = this.#spareLive?.residentBytes() ?? 0;
    for (const { live } of this.#slots.values()) sum += live?.residentBytes() ?? 0;
    return sum;
  }

  get engines(): number {
    return this.#slots.size;
  }

  /** Ends every engine. Resolves when they are gone. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#watch);
    const engines = [...this.#slots.values()].map(({ engine }) => engine);
    if (this.#spare) engines.push(this.#spare);
    await Promise.all(
      engines.map(async (starting) => {
        const engine = await starting.catch(() => undefined);
        engine?.kill();
        await engine?.exited;
      }),
    );
  }

  #slotOf(module: PooledModule): Slot {
    const known = this.#slots.get(module.digest);
    if (known) return known;
    const slot: Slot = {
      module,
      engine: Promise.resolve().then(() => this.#admit(slot)),
      live: undefined,
      sessions: new Map(),
      users: 0,
      lastUsed: performance.now(),
      reservedBytes: estimate(module),
    };
    this.#slots.set(module.digest, slot);
    slot.engine.catch(() => this.#forget(slot));
    return slot;
  }

  #forget(slot: Slot): void {
    if (this.#slots.get(slot.module.digest) === slot) this.#slots.delete(slot.module.digest);
    this.#announceIdle();
  }

  #session(slot: Slot, engine: Engine, signature: string): Promise<SessionInfo> {
    const known = slot.sessions.get(signature);
    if (known) return known;
    this.counts.loads += 1;
    const { threads, loadMs } = this.#options;
    const loading = engine.load(
      { folder: slot.module.folder, signature, task: slot.module.compileTask(signature), threads },
      loadMs,
    );
    slot.sessions.set(signature, loading);
    // A load that failed is tried again by the next request.
    loading.catch(() => slot.sessions.delete(signature));
    return loading;
  }

  /** Makes room, one load after the other so that two don't count the same bytes, then takes an engine. */
  async #admit(slot: Slot): Promise<Engine> {
    const turn = this.#admitting.then(() => this.#makeRoom(slot));
    this.#admitting = turn.catch(() => undefined);
    await turn;
    const engine = await this.#takeSpare();
    slot.live = engine;
    void engine.exited.then((exit) => {
      slot.live = undefined;
      if (exit.kind === "crash") this.counts.crashes += 1;
      if (exit.kind === "timeout") this.counts.timeouts += 1;
      if (exit.kind === "memory") this.counts.memoryKills += 1;
      this.#forget(slot);
    });
    return engine;
  }

  async #makeRoom(slot: Slot): Promise<void> {
    const { budgetBytes, memoryWaitMs } = this.#options;
    if (slot.reservedBytes > budgetBytes)
      throw problem("out-of-memory", "The module is larger than the memory that the worker may use.");
    const until = performance.now() + memoryWaitMs;
    while (this.#countedBytes() > budgetBytes) {
      const victim = this.#leastRecentlyUsed();
      if (victim) {
        await this.#end(victim);
        this.counts.evictions += 1;
        continue;
      }
      const left = until - performance.now();
      if (left <= 0) throw problem("out-of-memory", "All memory for models is in use.", { retryAfter: 5 });
      await Promise.race([this.#idle.promise, sleep(left)]);
    }
  }

  /**
   * Measured bytes, and for what is being loaded at least its estimate; without the spare engine, which is what
   * the load will take.
   */
  #countedBytes(): number {
    let sum = 0;
    for (const { live, reservedBytes } of this.#slots.values())
      sum += Math.max(live?.residentBytes() ?? 0, reservedBytes);
    return sum;
  }

  #leastRecentlyUsed(): Slot | undefined {
    let oldest: Slot | undefined;
    for (const slot of this.#slots.values())
      if (slot.users === 0 && slot.live && (!oldest || slot.lastUsed < oldest.lastUsed)) oldest = slot;
    return oldest;
  }

  async #end(slot: Slot): Promise<void> {
    this.#slots.delete(slot.module.digest);
    slot.live?.kill();
    await slot.live?.exited;
  }

  #watchMemory(): void {
    const { budgetBytes, engineBytes } = this.#options;
    let held = this.#spareLive?.residentBytes() ?? 0;
    let largest: { engine: Engine; bytes: number } | undefined;
    for (const { live: engine } of this.#slots.values()) {
      const bytes = engine?.residentBytes() ?? 0;
      held += bytes;
      if (!engine) continue;
      if (bytes > engineBytes + BARE_ENGINE_BYTES) engine.kill("memory");
      else if (!largest || bytes > largest.bytes) largest = { engine, bytes };
    }
    if (held <= budgetBytes) return;
    // Nobody waits for the spare one.
    if (this.#spareLive) {
      this.#spareLive.kill();
      return;
    }
    const victim = this.#leastRecentlyUsed();
    if (victim) {
      this.counts.evictions += 1;
      void this.#end(victim);
    } else largest?.engine.kill("memory");
  }

  async #takeSpare(): Promise<Engine> {
    const spare = this.#spare;
    this.#spare = undefined;
    this.#spareLive = undefined;
    // The spare may have died while nobody looked: then a fresh one is started.
    const engine = (await spare?.catch(() => undefined)) ?? (await this.#options.spawn());
    this.#refillSpare();
    return engine;
  }

  #refillSpare(): void {
    const room = this.residentBytes() + BARE_ENGINE_BYTES <= this.#options.budgetBytes;
    if (this.#closed || this.#spare || !room) return;
    const spare = this.#options.spawn();
    this.#spare = spare;
    spare.then(
      (engine) => {
        if (this.#spare === spare) this.#spareLive = engine;
        void engine.exited.then(() => {
          if (this.#spare !== spare) return;
          this.#spare = undefined;
          this.#spareLive = undefined;
        });
      },
      // The next load tries again, and says what is wrong to who waits for it.
      () => {
        if (this.#spare === spare) this.#spare = undefined;
      },
    );
  }

  #announceIdle(): void {
    this.#idle.resolve();
    this.#idle = Promise.withResolvers<void>();
  }
}

/** What a module takes when loaded: its weights, prepacked copies of them, and the engine itself. */
const estimate = ({ bytes }: PooledModule): number => BARE_ENGINE_BYTES + Math.ceil(bytes * 1.5);

const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
