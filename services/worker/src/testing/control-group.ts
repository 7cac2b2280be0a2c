import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const ROOT = "/sys/fs/cgroup";

/** A control group of a test's own, with another one in it, which processes join. */
export interface TestControlGroup {
  version: 1 | 2;
  /** Files that a process writes its id to, to be in it. */
  joins: string[];
  /** Processes that are in it. */
  processes(): number[];
  /** Removes it, once its processes have ended. */
  remove(): Promise<void>;
}

/**
 * Makes a control group whose outer one limits memory, in bytes, and CPU time, in cores; the inner one has no limits of
 * its own. Throws an Error that says why none can be made here.
 */
export function testControlGroup(memoryBytes: number, cores: number): TestControlGroup {
  const name = `modulehub-test-${process.pid}`;
  const quota = String(cores * 100_000);
  const controllers = existsSync(join(ROOT, "cgroup.controllers"))
    ? readFileSync(join(ROOT, "cgroup.controllers"), "utf8").trim().split(" ")
    : [];
  if (controllers.includes("memory") && controllers.includes("cpu")) {
    writeFileSync(join(ROOT, "cgroup.subtree_control"), "+memory +cpu");
    const group = join(ROOT, name);
    const made = nested(group);
    writeFileSync(join(group, "memory.max"), String(memoryBytes));
    writeFileSync(join(group, "cpu.max"), `${quota} 100000`);
    return grouped(2, [made]);
  }
  const [memory, cpu] = ["memory", "cpu"].map((controller) => join(ROOT, controller));
  if (!existsSync(join(memory!, "memory.limit_in_bytes")) || !existsSync(join(cpu!, "cpu.cfs_quota_us")))
    throw new Error("there is no writable hierarchy of control groups with memory and cpu");
  const made = [memory!, cpu!].map((hierarchy) => nested(join(hierarchy, name)));
  writeFileSync(join(memory!, name, "memory.limit_in_bytes"), String(memoryBytes));
  writeFileSync(join(cpu!, name, "cpu.cfs_quota_us"), quota);
  return grouped(1, made);
}

/** Makes a group with another one in it; returns the path of that. */
function nested(group: string): string {
  const inner = join(group, "inner");
  mkdirSync(inner, { recursive: true });
  return inner;
}

function grouped(version: 1 | 2, inner: string[]): TestControlGroup {
  const processes = () =>
    readFileSync(join(inner[0]!, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);
  return {
    version,
    joins: inner.map((group) => join(group, "cgroup.procs")),
    processes,
    async remove() {
      while (processes().length > 0) await sleep(20);
      for (const group of inner) for (const each of [group, join(group, "..")]) rmdirSync(each);
    },
  };
}
