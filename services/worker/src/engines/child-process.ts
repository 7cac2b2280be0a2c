import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { problem } from "@modulehub/core";

/**
 * Starting a limited child: no environment but PATH and settings of Node and memory, so no token can leak into it; a
 * limit on memory; dies with its parent; first to go when the machine runs out of memory.
 */
export interface ChildLimits {
  /** Bytes of memory that it may take. */
  memoryBytes: number;
  /** PATH, where the programs are found that set the limits. All that the child sees of our environment. */
  searchPath: string;
  /**
   * Folder for code that Node has compiled. With it a bare engine takes 61 MB and starts in 70 ms, without it 81 MB
   * and 98 ms: the compiler of TypeScript isn't loaded where its result is there.
   */
  codeFolder: string;
}

/**
 * Writable memory that Node 24 maps before any of ours (heap and code ranges are reserved, hardly touched):
 * RLIMIT_DATA counts it. Measured with onnxruntime-node loaded: VmData 575 MB, starts from 580 MB up.
 */
const NODE_DATA_BYTES = 640 * 1024 * 1024;

const onPath = (program: string, searchPath: string): string | undefined =>
  searchPath
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });

/**
 * How children get and give back memory, in glibc's settings. One arena, so that loads and releases leave few holes.
 * What a run needs is kept for the next one, 32 MB at most: given back after each run (a threshold of 0, and then each
 * larger buffer is mapped anew), it is filled with zeros again, page by page, which took half of all CPU time. Buffers
 * over 8 MB, which only the largest shapes need, are mapped and go back at once (docs/decisions/0020).
 *
 * Large buffers are in pages of 2 MB, where the system has them for who asks (`madvise`, as most have it): to find where
 * each page of 4 KB lies took a twentieth of a run of MiniLM, and half of a step that trains embeddings
 * (docs/decisions/0022).
 */
export const ALLOCATION = {
  MALLOC_ARENA_MAX: "1",
  MALLOC_TRIM_THRESHOLD_: String(32 * 1024 * 1024),
  MALLOC_MMAP_THRESHOLD_: String(8 * 1024 * 1024),
  GLIBC_TUNABLES: "glibc.malloc.hugetlb=1",
};

interface Launchers {
  chrt: string | undefined;
  setpriv: string | undefined;
  prlimit: string | undefined;
}

let found: Launchers | undefined;

/** The programs of util-linux that limit a child, where this machine has them. */
export function launchers(searchPath: string): Launchers {
  if (process.platform !== "linux") return { chrt: undefined, setpriv: undefined, prlimit: undefined };
  found ??= {
    chrt: onPath("chrt", searchPath),
    setpriv: onPath("setpriv", searchPath),
    prlimit: onPath("prlimit", searchPath),
  };
  return found;
}

/**
 * Starts a TypeScript file of this service as a limited child. `pipe` is its file descriptor 3, a pair of
 * sockets; its last words on stderr are kept for the log. Throws `worker-unavailable`.
 *
 * @param own of this kind of child: flags of Node and V8, and whether it only gets what CPU time nobody else wants
 * (Linux's SCHED_IDLE), where the system can do that
 */
export function startChild(
  entry: URL,
  argument: Record<string, unknown>,
  { memoryBytes, searchPath, codeFolder }: ChildLimits,
  own: { flags?: readonly string[]; idle?: boolean } = {},
): { child: ChildProcess; pipe: Duplex; stderr: () => string } {
  const { chrt, setpriv, prlimit } = launchers(searchPath);
  const command = [
    ...(own.idle && chrt ? [chrt, "--idle", "0"] : []),
    ...(setpriv ? [setpriv, "--pdeathsig", "KILL", "--"] : []),
    ...(prlimit ? [prlimit, `--data=${memoryBytes + NODE_DATA_BYTES}`, "--core=0", "--"] : []),
    process.execPath,
    ...(own.flags ?? []),
    fileURLToPath(entry),
    JSON.stringify(argument),
  ];
  const child = spawn(command[0]!, command.slice(1), {
    stdio: ["ignore", "ignore", "pipe", "pipe"],
    env: {
      PATH: searchPath,
      NODE_COMPILE_CACHE: codeFolder,
      ...ALLOCATION,
      ORT_DISABLE_TELEMETRY: "1",
    },
  });
  const pipe = child.stdio?.[3];
  if (!(pipe instanceof Duplex)) {
    // Without file descriptors left there is no child; what `error` says of it is said here.
    child.once("error", () => undefined);
    throw problem("worker-unavailable", "No process could be started for the module.", { retryAfter: 5 });
  }
  let words = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    words = (words + chunk).slice(-2000);
  });
  return { child, pipe, stderr: () => words };
}
