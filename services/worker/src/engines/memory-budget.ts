import { problem } from "@modulehub/core";
import type { GraphOptimizer } from "./graph-optimizer.ts";
import { atWork, bytesOf, type Member } from "./member.ts";
import type { SpareEngine } from "./spare-engine.ts";

export interface BudgetOptions {
  /** Bytes that all engines together may hold. */
  budgetBytes: number;
  /** Bytes that one engine may hold; enforced here too where the platform can't. */
  engineBytes: number;
  /** How long a load waits for engines that are at work before it is refused. */
  memoryWaitMs: number;
  /** After this time without a run an extra engine is ended. */
  extraIdleMs: number;
}

/** What the budget did, for metrics. */
export interface BudgetCounts {
  evictions: number;
}

/** The pool's engines, as the budget sees them. */
export interface Residents {
  readonly members: ReadonlySet<Member>;
  readonly spare: SpareEngine;
  readonly optimizer: GraphOptimizer;
  /** Whether a module's first engine must stay: someone waits for it, or it is pinned. */
  kept(digest: string): boolean;
  /** Ends an engine; resolves when its memory is back. */
  end(member: Member): Promise<void>;
}

/** An engine with nothing loaded: measured 61 MB, the very first one 81 MB. */
export const BARE_ENGINE_BYTES = 64 * 1024 * 1024;

/** An extra engine makes room for another module's extra engine only when it has rested so long, in milliseconds. */
const EXTRA_RESTED_MS = 5000;

/**
 * Keeps engines within a budget of measured memory. A module's engine stays until its memory is needed; then extra
 * engines go first, after them the module that was used longest ago, by ending its process, which really gives the
 * memory back.
 */
export class MemoryBudget {
  readonly counts: BudgetCounts = { evictions: 0 };
  readonly #options: BudgetOptions;
  readonly #residents: Residents;
  #idle = Promise.withResolvers<void>();
  #watchedAt = 0;

  constructor(options: BudgetOptions, residents: Residents) {
    this.#options = options;
    this.#residents = residents;
  }

  /** An engine has come to rest or ended: who waits for memory looks again. */
  announceIdle(): void {
    this.#idle.resolve();
    this.#idle = Promise.withResolvers<void>();
  }

  /** Bytes that engines hold now, those among them that serve nobody. */
  residentBytes(): number {
    const { spare, optimizer } = this.#residents;
    let sum = spare.residentBytes() + optimizer.residentBytes();
    for (const member of this.#residents.members) sum += bytesOf(member);
    return sum;
  }

  /** Whether a spare engine fits beside what there is. */
  roomForSpare(): boolean {
    return this.residentBytes() + BARE_ENGINE_BYTES <= this.#options.budgetBytes;
  }

  /**
   * Whether what the optimizer is about to hold fits beside all others; with `evict` engines that rest are ended for
   * it, unless even that would not do.
   */
  async makeRoomForOptimizer(how: "free" | "evict"): Promise<boolean> {
    const { members, spare, end } = this.#residents;
    const tooMuch = () => this.#countedBytes() + spare.residentBytes() - this.#options.budgetBytes;
    let evictable = 0;
    for (const member of members) if (this.#mayGo(member)) evictable += bytesOf(member);
    if (tooMuch() > (how === "evict" ? evictable : 0)) return false;
    while (tooMuch() > 0) {
      const victim = this.#victim("any");
      if (!victim) return false;
      this.counts.evictions += 1;
      await end(victim);
    }
    return true;
  }

  /**
   * Makes room for a member that is among the residents already. For a module's first engine others are ended and
   * waited for; an extra one only takes what is free, or what extra ones hold that have rested. Throws
   * `out-of-memory`.
   */
  async makeRoom(member: Member): Promise<void> {
    const { budgetBytes, memoryWaitMs } = this.#options;
    if (member.reservedBytes > budgetBytes)
      throw problem("out-of-memory", "The module is larger than the memory that the worker may use.");
    const until = performance.now() + (member.mode === "wide" ? memoryWaitMs : 0);
    while (this.#countedBytes() > budgetBytes) {
      const victim = this.#victim(member.mode === "wide" ? "any" : "rested");
      if (victim) {
        this.counts.evictions += 1;
        await this.#residents.end(victim);
        continue;
      }
      const given = this.#residents.optimizer.give();
      if (given) {
        await given;
        continue;
      }
      const left = until - performance.now();
      if (left <= 0) throw problem("out-of-memory", "All memory for models is in use.", { retryAfter: 5 });
      await Promise.race([this.#idle.promise, sleep(left)]);
    }
  }

  /** Looks at what has worked since the last look, and ends what is too large, too much or long unused. */
  watch(): void {
    const { budgetBytes, engineBytes, extraIdleMs } = this.#options;
    const { members, spare, optimizer, kept, end } = this.#residents;
    const now = performance.now();
    // An engine that alone takes more than all may would never have room.
    const ownBytes = Math.min(engineBytes + BARE_ENGINE_BYTES, budgetBytes);
    let held = spare.residentBytes() + optimizer.residentBytes();
    let largest: Member | undefined;
    for (const member of members) {
      const rests = !atWork(member) && member.lastUsed < this.#watchedAt;
      const bytes = bytesOf(member, rests ? "known" : "look");
      held += bytes;
      if (bytes > ownBytes) member.live?.kill("memory");
      else if (member.live && (!largest || bytes > largest.heldBytes)) largest = member;
      const unused = member.mode === "narrow" && now - member.lastUsed > extraIdleMs;
      if (rests && (unused || (member.worn && !kept(member.module.digest)))) void end(member);
    }
    this.#watchedAt = now;
    if (held <= budgetBytes) return;
    // Nobody waits for the spare one, or for what is optimised.
    if (spare.give() || optimizer.give()) return;
    // Where none rests the largest goes: it kept its own limit, so this is not held against its module.
    const victim = this.#victim("any") ?? largest;
    if (!victim) return;
    this.counts.evictions += 1;
    void end(victim);
  }

  /**
   * Measured bytes, and for what is being loaded or optimised at least its estimate; without the spare engine, which
   * is what the load will take.
   */
  #countedBytes(): number {
    let sum = this.#residents.optimizer.heldBytes();
    for (const member of this.#residents.members) sum += Math.max(bytesOf(member), member.reservedBytes);
    return sum;
  }

  /** Whether an engine can be ended without harm to who waits: it rests, and is an extra one or of a module nobody keeps. */
  #mayGo(member: Member): boolean {
    if (!member.live || atWork(member)) return false;
    return member.mode === "narrow" || !this.#residents.kept(member.module.digest);
  }

  /** Who goes next: the extra engine that was used longest ago, else the first engine of a module nobody keeps. */
  #victim(which: "any" | "rested"): Member | undefined {
    const rested = performance.now() - EXTRA_RESTED_MS;
    let victim: Member | undefined;
    for (const member of this.#residents.members) {
      if (!this.#mayGo(member)) continue;
      const extra = member.mode === "narrow";
      if (which === "rested" && (!extra || member.lastUsed > rested)) continue;
      const sooner =
        !victim || (extra === (victim.mode === "narrow") ? member.lastUsed < victim.lastUsed : extra);
      if (sooner) victim = member;
    }
    return victim;
  }
}

const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
