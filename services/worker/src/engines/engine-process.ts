import { PROBLEMS, type ProblemCode, problem, type Tensor } from "@modulehub/core";
import { z } from "zod";
import { type ChildLimits, startChild } from "./child-process.ts";
import { type Engine, EngineDied, type EngineExit, type SessionInfo, type SessionSpec } from "./engine.ts";
import { type Frame, FrameError, readFrames, writeFrame } from "./frames.ts";
import { setNiceness } from "./niceness.ts";
import { residentBytes } from "./resident-memory.ts";

/** Time that a child has to say that it is ready: Node and ONNX Runtime take 90 ms on an idle machine. */
const START_MS = 30_000;

const readySchema = z.object({
  kind: z.literal("ready"),
  runtimeVersion: z.string().max(100),
});
/** What an engine says when it is ready. */
export type EngineReady = z.infer<typeof readySchema>;

/** The answer of what failed. */
const failureSchema = z.object({
  kind: z.literal("failed"),
  code: z.string().refine((code): code is ProblemCode => Object.hasOwn(PROBLEMS, code)),
  detail: z.string().max(2000),
});

const infoSchema = z.object({
  feeds: z.array(z.string()),
  fetches: z.array(z.string()),
  executionProviders: z.array(z.string()),
  optimized: z.boolean(),
  milliseconds: z.number(),
});

interface Pending {
  id: number;
  kind: "load" | "run" | "optimize";
  resolve(frame: Frame): void;
  reject(error: unknown): void;
}

/**
 * An engine in a child process. `run()` blocks the child, so it can't say that it is alive: what counts is the
 * deadline of each load and run, kept here, and then SIGKILL.
 */
export class EngineProcess implements Engine {
  readonly exited: Promise<EngineExit>;
  /** Resolves when the child can take a load; rejects with EngineDied. */
  readonly ready: Promise<EngineReady>;
  readonly pid: number | undefined;
  readonly #kill: (exit: EngineExit) => void;
  readonly #send: (frame: Frame) => void;
  #pending: Pending | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #nextId = 1;
  #gone: EngineExit | undefined;

  constructor(limits: ChildLimits) {
    const { child, pipe, stderr } = startChild(new URL("./engine-child.ts", import.meta.url), {}, limits);
    this.pid = child.pid;
    let reason: EngineExit | undefined;
    this.#kill = (exit) => {
      reason ??= exit;
      child.kill("SIGKILL");
    };
    this.#send = (frame) => writeFrame(pipe, frame);
    const ready = Promise.withResolvers<EngineReady>();
    this.ready = ready.promise;
    const starting = setTimeout(() => this.#kill({ kind: "timeout" }), START_MS);
    const exited = Promise.withResolvers<EngineExit>();
    this.exited = exited.promise;
    const end = (code: number | null, signal: string | null) => {
      if (this.#gone) return;
      this.#gone = reason ?? { kind: "crash", code, signal, stderr: stderr() };
      clearTimeout(starting);
      ready.reject(new EngineDied(this.#gone, "start"));
      this.#pending?.reject(new EngineDied(this.#gone, this.#pending.kind));
      exited.resolve(this.#gone);
    };
    // Who kills a spare engine does not wait for it to become ready.
    ready.promise.catch(() => undefined);
    child.once("exit", end);
    child.once("error", () => end(null, null));
    // EPIPE when the child is gone: its exit says more.
    pipe.on("error", () => undefined);
    const faulty = (stderr: string) => this.#kill({ kind: "crash", code: null, signal: null, stderr });
    let greeted = false;
    readFrames(
      pipe,
      (frame) => {
        const greeting = greeted ? undefined : readySchema.safeParse(frame.message);
        if (!greeting) return this.#answered(frame);
        if (!greeting.success) return faulty("it didn't say that it is ready");
        greeted = true;
        clearTimeout(starting);
        ready.resolve(greeting.data);
      },
      () => faulty("it sent what is not a frame"),
    );
  }

  async load(spec: SessionSpec, deadlineMs: number): Promise<SessionInfo> {
    const { message } = await this.#ask({ kind: "load", ...spec }, new Map(), deadlineMs);
    return infoSchema.parse(message);
  }

  async run(
    signature: string,
    feeds: ReadonlyMap<string, Tensor>,
    deadlineMs: number,
  ): Promise<Map<string, Tensor>> {
    return (await this.#ask({ kind: "run", signature }, new Map(feeds), deadlineMs)).tensors;
  }

  async optimize(spec: Omit<SessionSpec, "signature" | "threads">, deadlineMs: number): Promise<void> {
    await this.#ask({ kind: "optimize", ...spec }, new Map(), deadlineMs);
  }

  kill(kind: "killed" | "memory" = "killed"): void {
    this.#kill({ kind });
  }

  setNice(nice: number): boolean {
    return this.#gone === undefined && this.pid !== undefined && setNiceness(this.pid, nice);
  }

  residentBytes(): number {
    return this.#gone ? 0 : residentBytes(this.pid);
  }

  #ask(
    message: { kind: "load" | "run" | "optimize"; [field: string]: unknown },
    tensors: Map<string, Tensor>,
    deadlineMs: number,
  ): Promise<Frame> {
    const turn = this.#tail.then(async () => {
      if (this.#gone) throw new EngineDied(this.#gone, "start");
      const overdue = setTimeout(() => this.#kill({ kind: "timeout" }), deadlineMs);
      const id = this.#nextId++;
      try {
        return await new Promise<Frame>((resolve, reject) => {
          this.#pending = { id, kind: message.kind, resolve, reject };
          try {
            this.#send({ message: { ...message, id }, tensors });
          } catch (error) {
            reject(
              error instanceof FrameError
                ? problem("body-too-large", `The inputs of a run are ${error.message}.`, { cause: error })
                : error,
            );
          }
        });
      } finally {
        this.#pending = undefined;
        clearTimeout(overdue);
      }
    });
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  #answered(frame: Frame): void {
    const pending = this.#pending;
    const { kind, id } = frame.message;
    const faulty = (stderr: string) => this.#kill({ kind: "crash", code: null, signal: null, stderr });
    if (!pending || id !== pending.id) faulty("it gave an answer to no question");
    else if (kind === "done") pending.resolve(frame);
    else {
      const failure = failureSchema.safeParse(frame.message);
      if (failure.success) pending.reject(problem(failure.data.code, failure.data.detail));
      else faulty("its answer is none");
    }
  }
}
