import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { arch, cpus } from "node:os";
import { basename, dirname, join } from "node:path";
import { COMPILED_PREFIX, exists } from "./compile-task.ts";
import type { SessionOptions } from "./session-contract.ts";

/*
 * Imported by engines: no import here may bring schemas or the code that edits graphs with it.
 *
 * The optimised form of a graph is what ONNX Runtime made of it for this machine, in its own format, which is mapped
 * into memory instead of being read and copied. All-MiniLM-L6-v2 (90 MB) is open after 60 ms that way, from its .onnx
 * after 159 ms, with runs as fast; and engines of one module share the pages.
 */

/** What decides whether an optimised graph fits: another version, provider or CPU may want another one. */
export interface OptimizedFor {
  /** Version of ONNX Runtime. */
  runtime: string;
  executionProviders: readonly string[];
  optimization: NonNullable<SessionOptions["optimization"]>;
}

/** Path of a graph's optimised form, beside the graph: a name that no file of a publisher's may have. */
export function optimizedPath(graph: string, { runtime, executionProviders, optimization }: OptimizedFor) {
  const key = [basename(graph), runtime, executionProviders, optimization, processor()];
  const hash = createHash("sha256").update(JSON.stringify(key)).digest("hex");
  return join(dirname(graph), `${COMPILED_PREFIX}${hash.slice(0, 32)}.ort`);
}

/** The optimised form of a graph, where it is there already. */
export async function findOptimized(graph: string, wanted: OptimizedFor): Promise<string | undefined> {
  const path = optimizedPath(graph, wanted);
  return (await exists(path)) ? path : undefined;
}

/** Has a graph's optimised form written by `write`; it appears whole or not at all. */
export async function keepOptimized(
  graph: string,
  wanted: OptimizedFor,
  write: (graph: string, target: string) => Promise<void>,
): Promise<void> {
  const path = optimizedPath(graph, wanted);
  // ONNX Runtime goes by the ending.
  const unfinished = path.replace(/\.ort$/, `.${randomUUID()}.ort`);
  try {
    await write(graph, unfinished);
    await rename(unfinished, path);
  } finally {
    await rm(unfinished, { force: true });
  }
}

let known: string | undefined;

/** What the CPU can do, as far as kernels are chosen by it. */
function processor(): string {
  if (known !== undefined) return known;
  const flags = process.platform === "linux" ? cpuFlags() : "";
  known = `${arch()} ${cpus()[0]?.model ?? ""} ${flags}`;
  return known;
}

/** The features that Linux tells of the first CPU: `flags` on x86, `Features` on ARM. */
function cpuFlags(): string {
  const text = readFileSync("/proc/cpuinfo", "utf8");
  return /^(?:flags|Features)\s*:(.*)$/m.exec(text)?.[1]?.trim() ?? "";
}
