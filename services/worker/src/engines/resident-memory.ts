import { execFile, execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { promisify } from "node:util";

/** Resident memory of processes: from /proc where there is one, else from `ps`. */
export interface ResidentMemory {
  /** Whether it can be told here at all. */
  readonly known: boolean;
  /** Bytes that a process holds; 0 once it has ended. */
  of(pid: number): number;
}

/** Linux: each answer is a read of a small file. */
export const procMemory: ResidentMemory = {
  known: true,
  of(pid) {
    try {
      const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
      return Number(kilobytes ?? 0) * 1024;
    } catch {
      // The process has ended.
      return 0;
    }
  },
};

const PS = "/bin/ps";

/**
 * Where there is no /proc (macOS, BSD): one `ps` for all processes that were asked about, at most every `everyMs`
 * and beside other work. Only the first answer about a process waits for one; later ones may be as old as two rounds.
 */
export class PsMemory implements ResidentMemory {
  readonly known = existsSync(PS);
  readonly #everyMs: number;
  readonly #bytes = new Map<number, number>();
  #asked = Number.NEGATIVE_INFINITY;
  #asking = false;

  constructor(everyMs = 400) {
    this.#everyMs = everyMs;
  }

  of(pid: number): number {
    if (!this.known) return 0;
    const seen = this.#bytes.get(pid);
    if (seen === undefined) {
      const first = tableOf(psNow(pid)).get(pid) ?? 0;
      if (first > 0) this.#bytes.set(pid, first);
      return first;
    }
    if (!this.#asking && performance.now() - this.#asked >= this.#everyMs) void this.#refresh();
    return seen;
  }

  async #refresh(): Promise<void> {
    this.#asking = true;
    this.#asked = performance.now();
    const pids = [...this.#bytes.keys()];
    const table = tableOf(await psLater(pids));
    for (const pid of pids) {
      const bytes = table.get(pid);
      if (bytes === undefined) this.#bytes.delete(pid);
      else this.#bytes.set(pid, bytes);
    }
    this.#asking = false;
  }
}

const columns = (pids: readonly number[]): string[] => ["-o", "pid=,rss=", "-p", pids.join(",")];

function psNow(pid: number): string {
  try {
    return execFileSync(PS, columns([pid]), { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    // Status 1: the process has ended.
    return "";
  }
}

async function psLater(pids: readonly number[]): Promise<string> {
  try {
    return (await promisify(execFile)(PS, columns(pids), { encoding: "utf8" })).stdout;
  } catch {
    // Status 1: none of them is left.
    return "";
  }
}

/** Bytes by process; `ps` tells kilobytes. */
function tableOf(output: string): Map<number, number> {
  const lines = output.split("\n").map((line) => line.trim().split(/\s+/).map(Number));
  return new Map(
    lines.flatMap(([pid, kilobytes]): [number, number][] =>
      pid && kilobytes !== undefined ? [[pid, kilobytes * 1024]] : [],
    ),
  );
}

/** The way that this machine has. */
export const residentMemory: ResidentMemory = existsSync("/proc/self/status") ? procMemory : new PsMemory();

/** Bytes that a process holds; 0 for one that was never started, has ended or can't be looked at. */
export const residentBytes = (pid: number | undefined): number =>
  pid === undefined ? 0 : residentMemory.of(pid);
