import type { SessionSpec } from "./engine.ts";

/** What the worker asks of an engine, the message of a frame. A run's feeds are the frame's tensors. */
export type EngineRequest =
  | ({ kind: "load"; id: number } & SessionSpec)
  | { kind: "run"; id: number; signature: string }
  | ({ kind: "optimize"; id: number } & Omit<SessionSpec, "signature" | "threads">);

/**
 * Whether a message is a request. Its parts are not looked at: only the worker that started this process writes to
 * its pipe, and it writes what `EngineRequest` says.
 */
export const isEngineRequest = (message: object): message is EngineRequest =>
  "kind" in message && (message.kind === "load" || message.kind === "run" || message.kind === "optimize");
