/** Which session a run used: the one with a thread for every core, or one of those with a single thread. */
export type RunMode = "wide" | "narrow";

/** Weight of the newest measurement in the running means, once there are as many as make it small. */
const NEWEST = 0.1;

/** What a run, and each unit of length in it, is thought to take before anything was measured. */
const FIRST_GUESS = { runMs: 1, unitMs: 0.01 };

/** Lengths are extrapolated by this many standard deviations of those seen. */
const FARTHEST = 20;

/** Runs whose sizes differ by less than this part of their mean say little about others; then size × rate does. */
const DOUBTFUL = 0.3;

/** Runs after which estimates are trusted: the first ones share the machine with engines that are being started. */
const ENOUGH = 30;

/** Items that a batch is thought to have at least, where work waits. */
const FEW_MATES = 4;

/** A measurement counts as at most so many times the mean, or so small a part of it: one stalled run says little. */
const OUTLIER = 2;

/** Signatures whose costs are kept; the ones measured longest ago are forgotten. */
const MAX_KNOWN = 4096;

/** Running means of runs: longest × count x, milliseconds y. */
interface Moments {
  count: number;
  x: number;
  y: number;
  xx: number;
  xy: number;
}

interface Costs {
  runs: Partial<Record<RunMode, Moments>>;
  /** Cores that the last run had. */
  cores: Record<RunMode, number>;
  /** Milliseconds of one core by unit of length, as runs of late have taken: with the batches and padding of now. */
  unitMs: number | undefined;
  count: number;
}

/** What was measured of a run. */
export interface MeasuredRun {
  mode: RunMode;
  /** Longest × count: what was computed, with its padding. */
  cost: number;
  longest: number;
  /** Lengths of its items together. */
  length: number;
  milliseconds: number;
  /** Cores that it had. */
  cores: number;
}

/**
 * What work costs, learned for each signature of a module, newer runs counting more. Two questions have two answers:
 * how long a run of a certain size takes (a straight line by longest × count, for each mode), and how much of the
 * machine an item that waits will take (by its length, at the rate that runs of late have had).
 */
export class CostModel {
  readonly #costs = new Map<string, Costs>();

  /** Estimated milliseconds of a run of this longest × count. */
  runMs(key: string, mode: RunMode, cost: number): number {
    const runs = this.#costs.get(key)?.runs;
    const seen = runs?.[mode] ?? runs?.[mode === "wide" ? "narrow" : "wide"];
    return seen ? onLine(seen, cost) : FIRST_GUESS.runMs + FIRST_GUESS.unitMs * cost;
  }

  /** Estimated milliseconds of one core that a run of this longest × count takes by itself. */
  coreMs(key: string, cost: number): number {
    const known = this.#costs.get(key);
    const mode = known?.runs.narrow || !known ? "narrow" : "wide";
    return this.runMs(key, mode, cost) * (known?.cores[mode] ?? 1);
  }

  /**
   * Estimated milliseconds of one core that an item of this length will take: its part of what runs of late have
   * taken, at most a run of its own.
   */
  workMs(key: string, length: number, mates: "with mates" | "alone"): number {
    const known = this.#costs.get(key);
    if (!known) return this.runMs(key, "narrow", length);
    let ms = known.unitMs === undefined ? Number.POSITIVE_INFINITY : known.unitMs * length;
    for (const mode of ["wide", "narrow"] as const) {
      const seen = known.runs[mode];
      // What runs on all cores take on an idle machine says little of what an item takes beside others.
      if (!seen || (mode === "wide" && known.unitMs !== undefined && known.runs.narrow)) continue;
      // Until runs of several have been seen, what a run takes however short it is counts as shared by a few.
      const few = mates === "with mates" && known.unitMs === undefined;
      const run = onLine(seen, length);
      const shared = few ? Math.min(run, fixedMs(seen)) * (1 - 1 / FEW_MATES) : 0;
      ms = Math.min(ms, (run - shared) * known.cores[mode]);
    }
    return ms;
  }

  /** How far the estimates of a signature are to be trusted: from 0, before anything was measured, to 1. */
  trust(key: string): number {
    return Math.min(1, (this.#costs.get(key)?.count ?? 0) / ENOUGH);
  }

  /** The greatest trust in any whose key begins so. */
  mostTrust(prefix: string): number {
    let most = 0;
    for (const key of this.#costs.keys()) if (key.startsWith(prefix)) most = Math.max(most, this.trust(key));
    return most;
  }

  learn(key: string, { mode, cost, longest, length, milliseconds, cores }: MeasuredRun): void {
    const known = this.#costs.get(key) ?? {
      runs: {},
      cores: { wide: 1, narrow: 1 },
      unitMs: undefined,
      count: 0,
    };
    this.#costs.delete(key);
    this.#costs.set(key, known);
    if (this.#costs.size > MAX_KNOWN)
      for (const [oldest] of this.#costs.entries().take(1)) this.#costs.delete(oldest);
    const seen = known.runs[mode];
    const expected = seen && this.runMs(key, mode, cost);
    const counted = within(milliseconds, expected);
    const count = (seen?.count ?? 0) + 1;
    const weight = Math.max(NEWEST, 1 / count);
    known.runs[mode] = {
      count,
      x: mix(seen?.x, cost, weight),
      y: mix(seen?.y, counted, weight),
      xx: mix(seen?.xx, cost * cost, weight),
      xy: mix(seen?.xy, cost * counted, weight),
    };
    known.cores[mode] = cores;
    known.count += 1;
    // What runs on all cores because nothing else waits says little about what it takes among others.
    if (mode === "wide" && cost === longest) return;
    const unitMs = within((milliseconds * cores) / length, known.unitMs);
    known.unitMs = mix(known.unitMs, unitMs, NEWEST);
  }
}

const mix = (old: number | undefined, value: number, weight: number): number =>
  old === undefined ? value : old + weight * (value - old);

/** A run's milliseconds on the line through those seen. */
function onLine(seen: Moments, cost: number): number {
  const variance = varianceOf(seen);
  // Where nearly all are as long as each other, their noise would tell the slope. Half of what is short then looked as
  // long as they are.
  const doubt = doubtOf(seen);
  const proportional = seen.x > 0 ? seen.y / seen.x : 0;
  const slope =
    doubt > 0 ? (seen.xy - seen.x * seen.y + doubt * proportional) / (variance + doubt) : proportional;
  const unitMs = Math.max(0, slope);
  const beyond = cost - seen.x;
  // Runs of one and two words say nothing about one of 50,000: upwards the line is followed as far as it is known.
  const known = Math.min(beyond, FARTHEST * Math.sqrt(variance));
  return Math.max(0, seen.y + unitMs * known + FIRST_GUESS.unitMs * (beyond - known));
}

/** What a run is thought to take however short it is: nearly all of it, where all were as long as each other. */
const fixedMs = (seen: Moments): number =>
  varianceOf(seen) < doubtOf(seen) ? Math.max(0, seen.y - FIRST_GUESS.unitMs * seen.x) : onLine(seen, 0);

const varianceOf = ({ x, xx }: Moments): number => Math.max(0, xx - x * x);

/** The variance below which sizes say little about others. */
const doubtOf = ({ x }: Moments): number => (DOUBTFUL * x) ** 2;

const within = (value: number, expected: number | undefined): number =>
  expected === undefined || expected <= 0
    ? value
    : Math.min(OUTLIER * expected, Math.max(expected / OUTLIER, value));
