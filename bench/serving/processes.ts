import { readdirSync, readFileSync } from "node:fs";

/** A look at processes by way of /proc. Where there is none, `known` is false. */
export const known = process.platform === "linux";

/** Clock ticks a second in /proc (USER_HZ, which is 100 on every architecture that Node runs on). */
const TICKS = 100;

/** A process's direct children. */
export function childrenOf(parent: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => Number(statOf(pid)?.[1]) === parent);
}

/** A process and all that descend from it. */
export function treeOf(root: number): number[] {
  const found = [root];
  for (const pid of found) found.push(...childrenOf(pid));
  return found;
}

/** Resident bytes of processes. Pages that two of them share count twice. */
export const residentBytes = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + Number(/^VmRSS:\s+(\d+)/m.exec(read(pid, "status"))?.[1] ?? 0) * 1024, 0);

/** The most bytes that a process has had resident so far. */
export const peakBytes = (pid: number): number =>
  Number(/^VmHWM:\s+(\d+)/m.exec(read(pid, "status"))?.[1] ?? 0) * 1024;

/** CPU seconds that processes have used so far. */
export const cpuSeconds = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    const stat = statOf(pid);
    return sum + (stat ? (Number(stat[11]) + Number(stat[12])) / TICKS : 0);
  }, 0);

/** What an engine calls itself: its main file until it has loaded a module, then the module's digest. */
const ENGINE = /engine-child|modulehub-engine/;

/** The worker's engines, with and without a module. */
export const enginesOf = (workerPid: number): number[] =>
  childrenOf(workerPid).filter((pid) => ENGINE.test(read(pid, "cmdline")));

/** Processes of jobs. */
export const jobsOf = (workerPid: number): number[] =>
  childrenOf(workerPid).filter((pid) => /job-child|modulehub-job/.test(read(pid, "cmdline")));

/** Those engines that have loaded a module. */
export const enginesWith = (workerPid: number, digest: string): number[] =>
  childrenOf(workerPid).filter((pid) =>
    read(pid, "cmdline").startsWith(`modulehub-engine ${digest.slice(digest.indexOf(":") + 1)}`),
  );

/** Fields of /proc/PID/stat after the name, beginning with the state; undefined for a process that has ended. */
function statOf(pid: number): string[] | undefined {
  const stat = read(pid, "stat");
  return stat === "" ? undefined : stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    // The process has ended.
    return "";
  }
}
