import type { Tensor } from "@modulehub/core";
import type { CompileTask } from "@modulehub/runtime";

/** What an engine loads: the graph of one signature of a module in a folder. */
export interface SessionSpec {
  /** The module's folder: only the hub writes there, so a compiled graph that is found is the hub's own. */
  folder: string;
  /** The name that runs call it by. */
  signature: string;
  task: CompileTask;
  /** Threads that one run uses. */
  threads: number;
  /** ONNX Runtime's names, best first. One that can't be had is an error: nothing falls back in silence. */
  executionProviders: readonly string[];
}

/** What a load found. */
export interface SessionInfo {
  /** The compiled graph's inputs that must be fed, and the outputs that a run gives. */
  feeds: string[];
  fetches: string[];
  executionProviders: string[];
  /** Whether the optimised form of the graph was there. */
  optimized: boolean;
  milliseconds: number;
}

/** How an engine came to its end. */
export type EngineExit =
  /** It was killed because a load or run overstayed its deadline. */
  | { kind: "timeout" }
  /** It was killed because it held more memory than one engine may. */
  | { kind: "memory" }
  /** It was killed because it was no longer wanted, or all engines together held too much: no fault of its module. */
  | { kind: "killed" }
  /** It died by itself. */
  | { kind: "crash"; code: number | null; signal: string | null; stderr: string };

/** What an engine is at. */
export type EngineWork = "start" | "load" | "run" | "optimize";

/** The engine died of what was asked, or before it was begun (`start`). */
export class EngineDied extends Error {
  override name = "EngineDied";
  readonly exit: EngineExit;
  readonly during: EngineWork;

  constructor(exit: EngineExit, during: EngineWork) {
    super(`the engine ended during ${during}: ${exit.kind}`);
    this.exit = exit;
    this.during = during;
  }
}

/**
 * A place where graphs run that can be killed. It holds the sessions of one module only: nothing of one
 * module ever touches another. Loads and runs are done one after the other.
 */
export interface Engine {
  /** Opens a signature's session. Throws EngineDied, or what the runtime says (`session-failed`, `out-of-memory`). */
  load(spec: SessionSpec, deadlineMs: number): Promise<SessionInfo>;
  /**
   * Runs a session that was loaded. After `deadlineMs` from its start the engine is killed.
   * Throws EngineDied, or `run-failed`, `tensor-invalid`, `out-of-memory`, after which the engine lives on.
   */
  run(
    signature: string,
    feeds: ReadonlyMap<string, Tensor>,
    deadlineMs: number,
  ): Promise<Map<string, Tensor>>;
  /**
   * Writes the optimised form of a graph that was loaded before, where it is not there yet. Throws EngineDied, or
   * `session-failed`.
   */
  optimize(spec: Omit<SessionSpec, "signature" | "threads">, deadlineMs: number): Promise<void>;
  /** Ends the process at once; its memory is back when `exited` resolves. */
  kill(reason?: "killed" | "memory"): void;
  /** Sets how far its threads stand back for others, 0 to 19; false where this process may not (give it back). */
  setNice(nice: number): boolean;
  readonly exited: Promise<EngineExit>;
  /** Memory that it holds now, in bytes; 0 once it has ended. */
  residentBytes(): number;
}

/** Starts an engine; resolves when it can take a load. Throws EngineDied where it can't be started. */
export type SpawnEngine = () => Promise<Engine>;
