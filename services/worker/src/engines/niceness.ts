import { readdirSync } from "node:fs";
import { setPriority } from "node:os";

/** Sets the niceness of a process and, on Linux, where each thread has its own, of all its threads. */
export function setNiceness(pid: number, nice: number): boolean {
  try {
    for (const thread of threadsOf(pid)) setPriority(thread, nice);
    return true;
  } catch {
    // It has ended, or this process isn't allowed to lower a niceness.
    return false;
  }
}

const threadsOf = (pid: number): number[] =>
  process.platform === "linux" ? readdirSync(`/proc/${pid}/task`).map(Number) : [pid];
