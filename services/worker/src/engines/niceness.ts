import { readdirSync, readlinkSync } from "node:fs";
import { getPriority, setPriority } from "node:os";
import { basename } from "node:path";

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

/** Raises the niceness of the thread that calls this, where it is lower and each has its own: on Linux. */
export function setThreadNiceness(nice: number): boolean {
  if (process.platform !== "linux") return false;
  try {
    const thread = Number(basename(readlinkSync("/proc/thread-self")));
    if (getPriority(thread) < nice) setPriority(thread, nice);
    return true;
  } catch {
    // There is no /proc: the thread has its turn with the others.
    return false;
  }
}

const threadsOf = (pid: number): number[] =>
  process.platform === "linux" ? readdirSync(`/proc/${pid}/task`).map(Number) : [pid];
