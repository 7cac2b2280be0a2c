import { problem } from "@modulehub/core";

/** What made a module's engine die. */
export interface Blame {
  /** Hash of the inputs; `load` where it died before it saw any. */
  input: string;
  /** Who sent them; empty where nobody in particular did. */
  caller: string;
}

export interface QuarantineOptions {
  /** Crashes older than this don't count. */
  windowMs: number;
  /** How long a module is held back, the first time; doubled each time after, up to the longest. */
  firstMs: number;
  longestMs: number;
  now: () => number;
}

interface CrashRecord {
  crashes: (Blame & { at: number })[];
  /** Until when it is held back: for everyone under "", else for one caller. */
  until: Map<string, number>;
  /** How often it was held back; decays with the window. */
  times: number;
  lastHeld: number;
}

/** Crashes that are enough. */
const ENOUGH = 3;

export const QUARANTINE_DEFAULTS = { windowMs: 300_000, firstMs: 30_000, longestMs: 900_000 };

/**
 * Holds back modules that keep crashing their engine. For everyone only where different callers crashed it
 * with different inputs, or it crashes when loaded; otherwise only for the caller who does it, so that nobody
 * can disable a module for the others with one poisonous request.
 */
export class Quarantine {
  readonly #options: QuarantineOptions;
  readonly #modules = new Map<string, CrashRecord>();

  constructor(options: Partial<QuarantineOptions> = {}) {
    this.#options = { ...QUARANTINE_DEFAULTS, now: () => Date.now(), ...options };
  }

  /** Throws `module-quarantined` with the time that is left, where the module is held back for the caller. */
  check(digest: string, caller: string): void {
    const record = this.#modules.get(digest);
    if (!record) return;
    const now = this.#options.now();
    const until = Math.max(record.until.get("") ?? 0, record.until.get(caller) ?? 0);
    if (until <= now) {
      this.#forgive(digest, record, now);
      return;
    }
    throw problem("module-quarantined", "The module crashed its engine several times.", {
      retryAfter: Math.ceil((until - now) / 1000),
    });
  }

  /** Notes that a module's engine died of this. */
  blame(digest: string, blame: Blame): void {
    const now = this.#options.now();
    const record = this.#modules.get(digest) ?? { crashes: [], until: new Map(), times: 0, lastHeld: 0 };
    this.#modules.set(digest, record);
    record.crashes = record.crashes.filter(({ at }) => at > now - this.#options.windowMs);
    record.crashes.push({ ...blame, at: now });
    const inputs = new Set(record.crashes.map(({ input }) => input));
    const callers = new Set(record.crashes.map(({ caller }) => caller));
    const loads = record.crashes.filter(({ input }) => input === "load");
    if (loads.length >= ENOUGH || (inputs.size >= ENOUGH && callers.size >= 2)) this.#hold(record, "", now);
    else if (record.crashes.filter(({ caller }) => caller === blame.caller).length >= ENOUGH)
      this.#hold(record, blame.caller, now);
  }

  /** Modules that are held back for everyone now. */
  held(): string[] {
    const now = this.#options.now();
    return [...this.#modules].flatMap(([digest, { until }]) => ((until.get("") ?? 0) > now ? [digest] : []));
  }

  /** Forgets a module that has long been well. */
  #forgive(digest: string, record: CrashRecord, now: number): void {
    const { windowMs, longestMs } = this.#options;
    const last = Math.max(record.lastHeld, ...record.crashes.map(({ at }) => at));
    if (last < now - windowMs - longestMs) this.#modules.delete(digest);
  }

  #hold(record: CrashRecord, whom: string, now: number): void {
    const { windowMs, firstMs, longestMs } = this.#options;
    if (record.lastHeld < now - windowMs - longestMs) record.times = 0;
    record.until.set(whom, now + Math.min(longestMs, firstMs * 2 ** record.times));
    record.times += 1;
    record.lastHeld = now;
    record.crashes = whom === "" ? [] : record.crashes.filter(({ caller }) => caller !== whom);
  }
}
