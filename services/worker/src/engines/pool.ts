import { getPriority } from "node:os";
import type { Tensor } from "@modulehub/core";
import type { RunMode } from "../scheduler/cost-model.ts";
import type { Engine, SessionInfo, SpawnEngine } from "./engine.ts";
import { GraphOptimizer } from "./graph-optimizer.ts";
import { atWork, bytesOf, type Member, type PooledModule } from "./member.ts";
import { BARE_ENGINE_BYTES, type BudgetOptions, MemoryBudget } from "./memory-budget.ts";
import { SpareEngine } from "./spare-engine.ts";

export type { PooledModule } from "./member.ts";

export interface PoolOptions extends BudgetOptions {
  spawn: SpawnEngine;
  /** Threads of a wide session, and the most narrow engines that one module has. */
  cores: number;
  /** Those that modules run on, once they have been tried. Rejects where there are none. */
  executionProviders: Promise<readonly string[]>;
  loadMs: number;
  runMs: number;
  /** How often memory is looked at. */
  watchMs: number;
}

/** An engine with an open session that is the holder's alone until it is released. */
export interface EngineLease {
  readonly mode: RunMode;
  /** Whether nothing has run in it yet: a first run takes longer than any after it. */
  readonly fresh: boolean;
  /** Throws EngineDied, or what the runtime said of these feeds. */
  run(feeds: ReadonlyMap<string, Tensor>): Promise<Map<string, Tensor>>;
  /** Puts the run behind the runs of others, or behind everything on the machine, until it is released. */
  lower(behind: "others" | "background"): void;
  release(): void;
}

/** What the pool did since it began, for metrics. */
export interface PoolCounts {
  loads: number;
  crashes: number;
  timeouts: number;
  memoryKills: number;
}

/** What is loaded of a module now. */
export interface LoadedModule {
  digest: string;
  bytes: number;
  engines: Record<RunMode, number>;
}

/** A module that takes more of the budget has one engine only: each further one is another copy of its weights. */
const LARGE_PART = 0.15;

/** Wide engines are as nice as the worker itself, extra ones by so much more: short work passes long batches. */
const EXTRA_NICE = Math.min(19, getPriority() + 10);

/** Of background work, which takes what is left. */
const BACKGROUND_NICE = Math.min(19, getPriority() + 15);

/** After an extra engine couldn't be had, no other is tried for so long. */
const NO_GROWTH_MS = 10_000;

/**
 * Engines by module. The first of each has sessions that use every core, for when little is to do, and short work
 * beside long batches; extra ones with one thread each come when the load asks for them. One engine is kept spawned
 * with nothing in it.
 */
export class EnginePool {
  readonly counts: PoolCounts = { loads: 0, crashes: 0, timeouts: 0, memoryKills: 0 };
  readonly #options: PoolOptions;
  readonly #members = new Set<Member>();
  readonly #holds = new Map<string, number>();
  readonly #pinned = new Set<string>();
  readonly #noGrowth = new Map<string, number>();
  readonly #spare: SpareEngine;
  readonly #budget: MemoryBudget;
  readonly #optimizer: GraphOptimizer;
  readonly #watch: NodeJS.Timeout;
  #admitting: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#spare = new SpareEngine(options.spawn);
    this.#optimizer = new GraphOptimizer({
      spawn: options.spawn,
      makeRoom: (how) => this.#budget.makeRoomForOptimizer(how),
      deadlineMs: 2 * options.loadMs,
    });
    this.#budget = new MemoryBudget(options, {
      members: this.#members,
      spare: this.#spare,
      optimizer: this.#optimizer,
      kept: (digest) => this.#holds.has(digest) || this.#pinned.has(digest),
      end: (member) => this.#end(member),
    });
    this.#watch = setInterval(() => this.#budget.watch(), options.watchMs);
    this.#watch.unref();
    this.#refillSpare();
  }

  /** Keeps a module's first engine, once it is there, until the hold is let go: someone waits for it. */
  hold(digest: string): () => void {
    this.#holds.set(digest, (this.#holds.get(digest) ?? 0) + 1);
    return () => {
      const left = (this.#holds.get(digest) ?? 0) - 1;
      if (left > 0) this.#holds.set(digest, left);
      else {
        this.#holds.delete(digest);
        this.#budget.announceIdle();
      }
    };
  }

  /** From now on a module's first engine makes room for nobody. */
  pin(digest: string): void {
    this.#pinned.add(digest);
  }

  unpin(digest: string): void {
    this.#pinned.delete(digest);
  }

  /** Whether a module's first engine has a signature's session open, at rest or at work. */
  isOpen(digest: string, signature: string): boolean {
    return [...this.#of(digest, "wide")].some(({ open }) => open.has(signature));
  }

  /**
   * Opens a signature of a module in its first engine, started where there is none; everyone who waits for a load
   * shares it. Throws EngineDied where the engine died of it, `out-of-memory` where there is no room, or what the
   * runtime said of the graph.
   */
  async open(module: PooledModule, signature: string): Promise<void> {
    const [first] = this.#of(module.digest, "wide");
    await this.#load(first ?? this.#start(module, "wide"), signature);
  }

  /** Whether a module has an extra engine, or could have one now. */
  mayGrow(module: PooledModule): boolean {
    for (const _extra of this.#of(module.digest, "narrow")) return true;
    if (this.#options.cores < 2 || this.#isLarge(module)) return false;
    return performance.now() >= (this.#noGrowth.get(module.digest) ?? 0);
  }

  /**
   * Starts an extra engine, or opens the signature in one that lacks it; resolves when it is tried. Undefined where
   * the module may have no more, or none could be had of late.
   */
  grow(module: PooledModule, signature: string): Promise<void> | undefined {
    const { cores } = this.#options;
    if (cores < 2 || this.#isLarge(module)) return undefined;
    if (performance.now() < (this.#noGrowth.get(module.digest) ?? 0)) return undefined;
    const extra = [...this.#of(module.digest, "narrow")];
    if (extra.some(({ loading }) => loading > 0)) return undefined;
    const lacking = extra.find((member) => !member.running && !member.open.has(signature));
    if (!lacking && extra.length >= cores) return undefined;
    return this.#load(lacking ?? this.#start(module, "narrow"), signature).then(
      () => {
        this.#noGrowth.delete(module.digest);
      },
      // What is wrong with the module its first engine says; here it only means that there won't be more of them.
      () => {
        this.#noGrowth.set(module.digest, performance.now() + NO_GROWTH_MS);
      },
    );
  }

  /** An engine at rest in which the signature is open, for one run after the other until it is released. */
  claim(digest: string, signature: string, mode: RunMode): EngineLease | undefined {
    for (const member of this.#of(digest, mode)) {
      const engine = member.live;
      if (engine && !atWork(member) && member.open.has(signature))
        return this.#lease(member, engine, signature);
    }
    return undefined;
  }

  /** Whether `claim` would find one. */
  canClaim(digest: string, signature: string, mode: RunMode): boolean {
    for (const member of this.#of(digest, mode))
      if (member.live && !atWork(member) && member.open.has(signature)) return true;
    return false;
  }

  /** Ends a module's engines, if there are any, whatever they do. */
  evict(digest: string): void {
    this.#optimizer.forget(digest);
    for (const { live, module } of this.#members) if (module.digest === digest) live?.kill();
  }

  /** Bytes that engines hold now, those among them that serve nobody. */
  residentBytes(): number {
    return this.#budget.residentBytes();
  }

  /** Graphs whose optimised form was written, and those of which it could not be. */
  get optimizations(): { written: number; failed: number } {
    return this.#optimizer.counts;
  }

  get evictions(): number {
    return this.#budget.counts.evictions;
  }

  /** What is loaded now, by module. */
  loaded(): LoadedModule[] {
    return [...Map.groupBy(this.#members, ({ module }) => module.digest)].map(([digest, members]) => ({
      digest,
      bytes: members.reduce((sum, member) => sum + bytesOf(member), 0),
      engines: {
        wide: members.filter(({ mode }) => mode === "wide").length,
        narrow: members.filter(({ mode }) => mode === "narrow").length,
      },
    }));
  }

  /** Ends every engine. Resolves when they are gone. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#watch);
    const ends = [...this.#members].map(async (member) => {
      const engine = await member.engine.catch(() => undefined);
      engine?.kill();
      await engine?.exited;
    });
    await Promise.all([this.#spare.close(), this.#optimizer.close(), ...ends]);
  }

  *#of(digest: string, mode: RunMode): Generator<Member> {
    for (const member of this.#members)
      if (member.module.digest === digest && member.mode === mode) yield member;
  }

  #isLarge(module: PooledModule): boolean {
    let bytes = estimate(module);
    for (const { heldBytes } of this.#of(module.digest, "wide")) bytes = Math.max(bytes, heldBytes);
    return bytes > LARGE_PART * this.#options.budgetBytes;
  }

  #start(module: PooledModule, mode: RunMode): Member {
    const member: Member = {
      module,
      mode,
      engine: Promise.resolve().then(() => this.#admit(member)),
      live: undefined,
      sessions: new Map(),
      open: new Set(),
      ran: new Set(),
      loading: 0,
      running: false,
      nice: getPriority(),
      worn: false,
      lastUsed: performance.now(),
      reservedBytes: estimate(module),
      heldBytes: 0,
    };
    this.#members.add(member);
    member.engine.catch(() => this.#forget(member));
    return member;
  }

  #forget(member: Member): void {
    this.#members.delete(member);
    this.#budget.announceIdle();
  }

  async #load(member: Member, signature: string): Promise<void> {
    member.loading += 1;
    try {
      await this.#session(member, await member.engine, signature);
      member.open.add(signature);
      member.reservedBytes = 0;
    } finally {
      member.loading -= 1;
      member.lastUsed = performance.now();
      this.#budget.announceIdle();
    }
  }

  #session(member: Member, engine: Engine, signature: string): Promise<SessionInfo> {
    const known = member.sessions.get(signature);
    if (known) return known;
    this.counts.loads += 1;
    const { cores, loadMs } = this.#options;
    const { module, mode } = member;
    const threads = mode === "wide" ? cores : 1;
    const { folder, digest, bytes } = module;
    const task = module.compileTask(signature);
    const loading = this.#options.executionProviders.then(async (executionProviders) => {
      const spec = { folder, task, executionProviders };
      const info = await engine.load({ ...spec, signature, threads }, loadMs);
      if (!info.optimized) this.#optimizer.loaded({ digest, bytes, spec });
      return info;
    });
    member.sessions.set(signature, loading);
    loading.then(
      () => undefined,
      // A load that failed is tried again by the next request.
      () => member.sessions.delete(signature),
    );
    return loading;
  }

  /** Makes room, one load after the other so that two don't count the same bytes, then takes an engine. */
  async #admit(member: Member): Promise<Engine> {
    const turn = this.#admitting.then(() => this.#budget.makeRoom(member));
    this.#admitting = turn.catch(() => undefined);
    await turn;
    const engine = await this.#spare.take();
    this.#refillSpare();
    // Before anything is loaded: the threads of a session begin with the niceness that their process has then.
    if (member.mode === "narrow" || this.#isLarge(member.module)) member.nice = EXTRA_NICE;
    if (member.nice === EXTRA_NICE) engine.setNice(EXTRA_NICE);
    member.live = engine;
    void engine.exited.then((exit) => {
      member.live = undefined;
      if (exit.kind === "crash") this.counts.crashes += 1;
      if (exit.kind === "timeout") this.counts.timeouts += 1;
      if (exit.kind === "memory") this.counts.memoryKills += 1;
      this.#forget(member);
    });
    return engine;
  }

  #lease(member: Member, engine: Engine, signature: string): EngineLease {
    member.running = true;
    const { ran } = member;
    let lowered = false;
    return {
      mode: member.mode,
      fresh: !ran.has(signature),
      run: (feeds) => engine.run(signature, feeds, this.#options.runMs),
      lower: (behind) => {
        const nice = behind === "background" ? BACKGROUND_NICE : EXTRA_NICE;
        lowered = member.nice < nice && engine.setNice(nice);
      },
      release: () => {
        member.running = false;
        ran.add(signature);
        member.lastUsed = performance.now();
        if (lowered && !engine.setNice(member.nice)) member.worn = true;
        this.#budget.announceIdle();
      },
    };
  }

  async #end(member: Member): Promise<void> {
    this.#members.delete(member);
    member.live?.kill();
    await member.live?.exited;
  }

  #refillSpare(): void {
    if (!this.#closed && this.#budget.roomForSpare()) this.#spare.refill();
  }
}

/** What a module takes when loaded: its weights, prepacked copies of them, and the engine itself. */
const estimate = ({ bytes }: PooledModule): number => BARE_ENGINE_BYTES + Math.ceil(bytes * 1.5);
