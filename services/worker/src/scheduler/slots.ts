import type { EngineLease } from "../engines/pool.ts";
import type { Job, Lane } from "./job.ts";

/**
 * What a run is to the others: one on cores of its own, short work that passes those, or background work that nobody
 * waits for.
 */
export type RunRole = "main" | "passing" | "background";

/** A run under way. */
export interface Run {
  readonly lane: Lane;
  readonly batch: readonly Job[];
  readonly lease: EngineLease;
  readonly role: RunRole;
  /** Cores that it was given: none but for main runs. */
  readonly cores: number;
  readonly started: number;
  readonly expectedMs: number;
  /** It took so long that its cores were given to others too; it goes on behind them. */
  overstays: boolean;
}

/** A run keeps its cores to itself no longer than this while another module waits, in milliseconds. */
export const QUANTUM_MS = 250;

/** The machine's cores, and the runs that have them. */
export class Slots {
  readonly cores: number;
  readonly runs = new Set<Run>();

  constructor(cores: number) {
    this.cores = cores;
  }

  get free(): number {
    let free = this.cores;
    for (const { overstays, cores } of this.runs) if (!overstays) free -= cores;
    return free;
  }

  /** Milliseconds of one core that the runs are still expected to take. */
  leftMs(): number {
    let sum = 0;
    for (const run of this.runs) sum += run.cores * timeLeft(run);
    return sum;
  }

  /** How many runs of that role are under way. */
  count(role: RunRole): number {
    let count = 0;
    for (const run of this.runs) if (run.role === role) count += 1;
    return count;
  }

  /**
   * Takes the cores of runs that have had them for longer than the quantum, where `othersWait` says that another
   * module's work waits: one that takes long, or never ends, may not keep the machine from the others.
   * Returns whether any were taken, and the milliseconds until the next could be.
   */
  takeBack(othersWait: (digest: string) => boolean): { taken: boolean; nextMs: number } {
    const now = performance.now();
    let taken = false;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const run of this.runs) {
      if (run.overstays || run.role === "background" || !othersWait(run.lane.target.module.digest)) continue;
      const left = run.started + QUANTUM_MS - now;
      if (left > 0) {
        nextMs = Math.min(nextMs, left);
        continue;
      }
      run.overstays = true;
      run.lease.lower("others");
      taken ||= run.cores > 0;
    }
    return { taken, nextMs };
  }
}

const timeLeft = ({ started, expectedMs }: Run): number =>
  Math.max(0, started + expectedMs - performance.now());
