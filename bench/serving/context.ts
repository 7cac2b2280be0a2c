import { availableParallelism } from "node:os";
import { type BenchHub, type Published, startBenchHub } from "./bench-hub.ts";
import { Load } from "./load/load.ts";
import { type MiniLm, openMiniLm } from "./minilm.ts";
import { RawChild, type RawMemory } from "./raw/raw.ts";
import type { Row } from "./row.ts";

export interface ServingOptions {
  /** Pairs of a measurement and its baseline; the figure is the median of their ratios. */
  pairs: number;
  /** Small sets and short times: to see that everything works, not to be quoted. */
  quick: boolean;
  /** Engines that the scenario of kills ends. */
  count: number | undefined;
  /** Those of the others that are measured, by their keys; default all. */
  rivals: string | undefined;
}

export const CORES = availableParallelism();

/** A part of the table. */
export type Scenario = (context: Context) => Promise<Row[]>;

/** What scenarios share: each is made when it is first asked for. */
export class Context {
  readonly options: ServingOptions;
  readonly load = new Load();
  #minilm: Promise<MiniLm> | undefined;
  #served: Promise<{ hub: BenchHub; minilm: Published }> | undefined;
  readonly #narrow: Partial<Record<RawMemory, Promise<RawChild[]>>> = {};
  readonly #wide: Partial<Record<RawMemory, Promise<RawChild>>> = {};

  constructor(options: ServingOptions) {
    this.options = options;
  }

  /** So many texts of the corpus: all, or few where it must be quick. */
  get texts(): number {
    return this.options.quick ? 200 : 2000;
  }

  minilm(): Promise<MiniLm> {
    this.#minilm ??= openMiniLm();
    return this.#minilm;
  }

  /** A hub with the worker's own settings that has MiniLM; scenarios that need others start their own. */
  served(): Promise<{ hub: BenchHub; minilm: Published }> {
    this.#served ??= this.#serve();
    return this.#served;
  }

  /** Raw sessions of one thread, a core each. */
  narrow(memory: RawMemory): Promise<RawChild[]> {
    this.#narrow[memory] ??= this.minilm().then(({ compiled, itemsFile }) =>
      Promise.all(Array.from({ length: CORES }, () => RawChild.start(compiled, itemsFile, 1, memory))),
    );
    return this.#narrow[memory];
  }

  /** A raw session with a thread for every core. */
  wide(memory: RawMemory): Promise<RawChild> {
    this.#wide[memory] ??= this.minilm().then(({ compiled, itemsFile }) =>
      RawChild.start(compiled, itemsFile, CORES, memory),
    );
    return this.#wide[memory];
  }

  async close(): Promise<void> {
    this.load.close();
    await Promise.all([
      this.#served?.then(({ hub }) => hub.stop()),
      ...Object.values(this.#narrow).map(async (children) => {
        for (const child of await children) await child.stop();
      }),
      ...Object.values(this.#wide).map(async (child) => (await child).stop()),
    ]);
  }

  async #serve(): Promise<{ hub: BenchHub; minilm: Published }> {
    const hub = await startBenchHub();
    return { hub, minilm: await hub.publish((await this.minilm()).folder, "bench/minilm") };
  }
}

/**
 * The time that a load would have taken on a machine whose cores the load generator doesn't share: of wall × cores
 * seconds of CPU the server had all but what the generator used.
 *
 * wall × (1 − generator's CPU ÷ (wall × cores))
 */
export const withoutGenerator = ({ wallMs, cpuMs }: { wallMs: number; cpuMs: number }): number =>
  wallMs * (1 - cpuMs / (wallMs * CORES));
