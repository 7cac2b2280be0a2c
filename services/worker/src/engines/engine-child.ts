import { rm } from "node:fs/promises";
import { flushCompileCache } from "node:module";
import { Socket } from "node:net";
import { basename } from "node:path";
import { ProblemError, problem } from "@modulehub/core/problem";
import type { CompiledGraph, CompileTask, Session, SessionOptions } from "@modulehub/runtime";
import { findCompiled, graphPath } from "@modulehub/runtime/compile-task";
import { findOptimized, keepOptimized, optimizedPath } from "@modulehub/runtime/optimized-graph";
import {
  openSession,
  openSessionFromBytes,
  optimizedFor,
  runtimeVersion,
  writeOptimized,
} from "@modulehub/runtime/session";
import { type EngineRequest, isEngineRequest } from "./engine-request.ts";
import { type Frame, FrameError, readFrames, writeFrame } from "./frames.ts";
import { goFirst } from "./go-first.ts";

/**
 * The main file of an engine: sessions of one module, loaded and run one after the other for the parent at the
 * other end of file descriptor 3. It ends when the parent does, or at whatever the model does to it.
 *
 * What it imports, every module that is loaded pays for: no schemas, and no code for graphs until one has to be
 * compiled.
 */
goFirst();

/** y = x, float32 [batch]: the smallest of graphs, as `GraphBuilder` makes it. */
const IDENTITY = Buffer.from(
  "CAoSCW1vZHVsZWh1YjpQChwKAXgSAXkaCklkZW50aXR5XzAiCElkZW50aXR5EgR3YXJtWhQKAXgSDwoNCAESCQoHEgViYXRjaGIUCgF5Eg8KDQgBEgkKBxIFYmF0Y2hCBAoAEBU=",
  "base64",
);
const pipe = new Socket({ fd: 3, readable: true, writable: true });
const sessions = new Map<string, { session: Session; fetches: string[] }>();

pipe.on("close", () => process.exit(0));
pipe.on("error", () => process.exit(0));
readFrames(
  pipe,
  (frame) => void handle(frame),
  () => process.exit(1),
);
writeFrame(pipe, { message: { kind: "ready", runtimeVersion }, tensors: new Map() });
const warm = warmUp();
keepCode();

/**
 * What the first session of a process and the first look at the CPU take, 15 ms, is done while nobody waits: most
 * engines wait as spares before they are given a module.
 */
async function warmUp(): Promise<void> {
  optimizedPath("", optimizedFor());
  const session = await openSessionFromBytes(IDENTITY, "/", { threads: 1 });
  await session.run(new Map([["x", { dtype: "float32", shape: [1], data: Float32Array.of(1) }]]));
  await session.close();
}

/** Keeps the code that was compiled for the next engine: this one will be killed, and Node would do it at its exit. */
function keepCode(): void {
  setTimeout(flushCompileCache, 500).unref();
}

async function handle(frame: Frame): Promise<void> {
  const request: object = frame.message;
  if (!isEngineRequest(request)) throw new Error("what came is no request");
  try {
    await warm;
    const answer = await answerTo(request, frame);
    writeFrame(pipe, { ...answer, message: { ...answer.message, kind: "done", id: request.id } });
  } catch (error) {
    const known =
      error instanceof FrameError ? problem("answer-too-large", `The outputs are ${error.message}.`) : error;
    if (!(known instanceof ProblemError)) throw error;
    const message = { kind: "failed", id: request.id, code: known.code, detail: known.message };
    writeFrame(pipe, { message, tensors: new Map() });
  }
}

function answerTo(request: EngineRequest, frame: Frame): Promise<Frame> {
  switch (request.kind) {
    case "load":
      return load(request);
    case "run":
      return run(request, frame);
    case "optimize":
      return optimize(request);
  }
}

async function load({
  folder,
  task,
  signature,
  threads,
  executionProviders: wanted,
}: Extract<EngineRequest, { kind: "load" }>): Promise<Frame> {
  const started = performance.now();
  // For who looks at the processes: the digest of the module that this one runs.
  process.title = `modulehub-engine ${basename(folder)}`;
  const options = optionsFor(threads, wanted);
  const known = await openOptimized(folder, task, options);
  const session = known ?? (await openGraph(folder, task, options));
  const { feeds, fetches } = task;
  sessions.set(signature, { session, fetches });
  const { executionProviders } = session;
  const milliseconds = performance.now() - started;
  const optimized = known !== undefined;
  return { message: { feeds, fetches, executionProviders, optimized, milliseconds }, tensors: new Map() };
}

/** Opens what an earlier load's graph was optimised to, where that is there. A damaged one is removed. */
async function openOptimized(
  folder: string,
  task: CompileTask,
  options: SessionOptions,
): Promise<Session | undefined> {
  const optimized = await findOptimized(graphPath(folder, task), optimizedFor(options));
  if (optimized === undefined) return undefined;
  try {
    return await openSession(optimized, options);
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code !== "session-failed") throw error;
    await rm(optimized, { force: true });
    return undefined;
  }
}

/** A session on several threads is for when nothing else runs: its threads may look for work for a moment. */
const optionsFor = (threads: number, executionProviders: readonly string[]): SessionOptions => ({
  threads,
  executionProviders,
  spinMicroseconds: threads > 1 ? 200 : 0,
});

async function openGraph(folder: string, task: CompileTask, options: SessionOptions): Promise<Session> {
  const found = await findCompiled(folder, task);
  if (found) return openSession(found.path, options);
  const { compileGraph, compiledBytes } = await import("@modulehub/runtime/compile");
  keepCode();
  let compiled: CompiledGraph;
  try {
    compiled = await compileGraph(folder, task);
  } catch (error) {
    if (!(error instanceof Error && "code" in error) || !FULL.has(String(error.code))) throw error;
    const { bytes, dataFolder } = await compiledBytes(folder, task);
    return openSessionFromBytes(bytes, dataFolder, options);
  }
  return openSession(compiled.path, options);
}

/** A disk without room is no reason not to serve: the graph is compiled again with each load. */
const FULL = new Set(["ENOSPC", "EDQUOT"]);

/** Writes the optimised form of a signature's graph, for the loads that come. */
async function optimize({
  folder,
  task,
  executionProviders,
}: Extract<EngineRequest, { kind: "optimize" }>): Promise<Frame> {
  const graph = await findCompiled(folder, task);
  const wanted = optimizedFor({ executionProviders });
  if (graph !== undefined && (await findOptimized(graph.path, wanted)) === undefined)
    await keepOptimized(graph.path, wanted, (from, to) => writeOptimized(from, to, { executionProviders }));
  return { message: {}, tensors: new Map() };
}

async function run(request: Extract<EngineRequest, { kind: "run" }>, frame: Frame): Promise<Frame> {
  const loaded = sessions.get(request.signature);
  if (!loaded) throw new Error("a signature was run that is not loaded");
  return { message: {}, tensors: await loaded.session.run(frame.tensors, loaded.fetches) };
}
