import { createHash, randomUUID } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
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

/** What an optimised graph's digest is kept under. */
const DIGEST = ".sha256";

/** Has a graph's optimised form written by `write`, and its digest; it appears whole or not at all. */
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
    await writeFile(path + DIGEST, await fileDigest(unfinished));
    await rename(unfinished, path);
  } finally {
    await rm(unfinished, { force: true });
  }
}

/**
 * Moves the optimised graphs of a module's folder to another folder of the same module, those that are still what was
 * written. A folder that isn't there has none.
 */
export async function carryOptimized(from: string, to: string): Promise<void> {
  const names = await readdir(from, { recursive: true }).catch(unlessMissing);
  for (const name of names ?? []) {
    if (!basename(name).startsWith(COMPILED_PREFIX) || !name.endsWith(".ort")) continue;
    const path = join(from, name);
    if (!(await exists(path + DIGEST))) continue;
    if ((await readFile(path + DIGEST, "utf8")) !== (await fileDigest(path))) continue;
    await mkdir(dirname(join(to, name)), { recursive: true });
    await rename(path + DIGEST, join(to, name) + DIGEST);
    await rename(path, join(to, name));
  }
}

/** Bytes of what was made of a module's graphs in its folder: compiled and optimised ones. */
export async function derivedBytes(folder: string): Promise<number> {
  let sum = 0;
  for await (const { size } of derivedFiles(folder)) sum += size;
  return sum;
}

/** What is being written has a UUID in its name until it is whole. */
const UNFINISHED = /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/;
/** What is being written was written to less than so many milliseconds ago; else its engine was killed. */
const ABANDONED_MS = 5 * 60_000;

/** Removes from a module's folder what engines that were killed left half written. Others may write there meanwhile. */
export async function removeAbandoned(folder: string): Promise<void> {
  for await (const { path, writtenAt } of derivedFiles(folder))
    if (UNFINISHED.test(basename(path)) && Date.now() - writtenAt > ABANDONED_MS)
      await rm(path, { force: true });
}

async function* derivedFiles(
  folder: string,
): AsyncGenerator<{ path: string; size: number; writtenAt: number }> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.startsWith(COMPILED_PREFIX)) continue;
    const path = join(entry.parentPath, entry.name);
    const found = await stat(path).catch(unlessMissing);
    // What is missing has its final name by now, or could not be finished.
    if (found !== undefined) yield { path, size: found.size, writtenAt: found.mtimeMs };
  }
}

function unlessMissing(error: unknown): undefined {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
  throw error;
}

async function fileDigest(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
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
