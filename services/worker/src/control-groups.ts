import { readFileSync } from "node:fs";
import { join, relative } from "node:path";

/** What the control groups of this process leave it; Infinity where they set no limit. */
export interface GroupLimits {
  /** Bytes of memory. */
  memoryBytes: number;
  /** CPU time that it may use, in cores; may be a fraction. */
  cores: number;
}

/** The text of a file; undefined where there is none. */
type Read = (path: string) => string | undefined;

const CONTROLLERS = ["memory", "cpu"] as const;
type Controller = (typeof CONTROLLERS)[number];

/**
 * The least limits of this process's control groups and all that they are in, version 1 or 2. Node's own
 * `constrainedMemory()` and `availableParallelism()` look at the innermost group only, and know the CPU quota of version
 * 1 only where it is mounted together with cpuacct. Formats: Linux's Documentation/admin-guide/cgroup-v2.rst and
 * cgroup-v1/, proc_pid_mountinfo(5).
 */
export function groupLimits(read: Read = readOrNothing): GroupLimits {
  const limits: GroupLimits = { memoryBytes: Infinity, cores: Infinity };
  const groups = groupsOf(read("/proc/self/cgroup") ?? "");
  for (const mount of mountsOf(read("/proc/self/mountinfo") ?? ""))
    for (const controller of CONTROLLERS) {
      const path = mount.version === 2 ? groups.get("") : groups.get(controller);
      if (path === undefined || (mount.version === 1 && !mount.controllers.includes(controller))) continue;
      for (const folder of foldersOf(mount, path)) {
        const file = (name: string) => read(join(folder, name))?.trim();
        if (controller === "memory") {
          const names = mount.version === 2 ? ["memory.max", "memory.high"] : ["memory.limit_in_bytes"];
          for (const name of names) limits.memoryBytes = Math.min(limits.memoryBytes, limitOf(file(name)));
        } else limits.cores = Math.min(limits.cores, coresOf(mount.version, file));
      }
    }
  return limits;
}

interface Mount {
  version: 1 | 2;
  /** The group that is seen at the mount point, when a container sees only its own. */
  root: string;
  point: string;
  controllers: string[];
}

/** Path of this process's group by controller; under "" that of version 2. */
function groupsOf(text: string): Map<Controller | string, string> {
  const groups = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    for (const controller of controllers.split(",")) groups.set(controller, path);
  }
  return groups;
}

function mountsOf(text: string): Mount[] {
  return text.split("\n").flatMap((line): Mount[] => {
    const [mounted = "", system = ""] = line.split(" - ");
    const [, , , root, point] = mounted.split(" ");
    const [type, , options = ""] = system.split(" ");
    if (root === undefined || point === undefined || (type !== "cgroup" && type !== "cgroup2")) return [];
    return [{ version: type === "cgroup2" ? 2 : 1, root, point, controllers: options.split(",") }];
  });
}

/** The group's folder and those of all groups that it is in, as far as they are seen here. */
function foldersOf({ root, point }: Mount, path: string): string[] {
  const inside = relative(root, path);
  // A container that was given the host's paths, but sees only its own group, at the mount point.
  const parts = inside.startsWith("..") ? [] : inside.split("/").filter((part) => part !== "");
  return Array.from({ length: parts.length + 1 }, (_, depth) => join(point, ...parts.slice(0, depth)));
}

/** `max`, or nothing, is no limit; version 1 has a number near 2^63 for it, which no machine has. */
const limitOf = (text: string | undefined): number =>
  text !== undefined && /^\d+$/.test(text) ? Number(text) : Infinity;

function coresOf(version: 1 | 2, file: (name: string) => string | undefined): number {
  const [quota, period] =
    version === 2
      ? (file("cpu.max") ?? "").split(" ")
      : [file("cpu.cfs_quota_us"), file("cpu.cfs_period_us")];
  const cores = limitOf(quota) / Number(period);
  return cores > 0 ? cores : Infinity;
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // No such group here, or no control groups at all.
    return undefined;
  }
}
