import { flushCompileCache } from "node:module";
import { Socket } from "node:net";
import { setPriority } from "node:os";
import { ProblemError, problem } from "@modulehub/core/problem";
import type { CompiledGraph, Session } from "@modulehub/runtime";
import { findCompiled } from "@modulehub/runtime/compile-task";
import { openSession, runtimeVersion } from "@modulehub/runtime/session";
import type { SessionSpec } from "./engine.ts";
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
// The worker's own thread comes before a run.
setPriority(5);
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
keepCode();

/** Keeps the code that was compiled for the next engine: this one will be killed, and Node would do it at its exit. */
function keepCode(): void {
  setTimeout(flushCompileCache, 500).unref();
}

async function handle(frame: Frame): Promise<void> {
  const request: object = frame.message;
  if (!isEngineRequest(request)) throw new Error("what came is no request");
  try {
    const answer = request.kind === "load" ? await load(request) : await run(request, frame);
    writeFrame(pipe, { ...answer, message: { ...answer.message, kind: "done", id: request.id } });
  } catch (error) {
    const known =
      error instanceof FrameError ? problem("answer-too-large", `The outputs are ${error.message}.`) : error;
    if (!(known instanceof ProblemError)) throw error;
    const message = { kind: "failed", id: request.id, code: known.code, detail: known.message };
    writeFrame(pipe, { message, tensors: new Map() });
  }
}

async function load(request: Extract<EngineRequest, { kind: "load" }>): Promise<Frame> {
  const started = performance.now();
  const { path, feeds, fetches } =
    (await findCompiled(request.folder, request.task)) ?? (await compile(request));
  const session = await openSession(path, { threads: request.threads });
  sessions.set(request.signature, { session, fetches });
  const { executionProviders } = session;
  const milliseconds = performance.now() - started;
  return { message: { feeds, fetches, executionProviders, milliseconds }, tensors: new Map() };
}

async function compile({ folder, task }: SessionSpec): Promise<CompiledGraph> {
  const { compileGraph } = await import("@modulehub/runtime/compile");
  keepCode();
  return compileGraph(folder, task);
}

async function run(request: Extract<EngineRequest, { kind: "run" }>, frame: Frame): Promise<Frame> {
  const loaded = sessions.get(request.signature);
  if (!loaded) throw new Error("a signature was run that is not loaded");
  return { message: {}, tensors: await loaded.session.run(frame.tensors, loaded.fetches) };
}
