import { EventEmitter } from "node:events";
import type { JobProgress } from "@modulehub/core";

/** What those who watch a job are told within this process, ahead of what the database says. */
export type JobSignal =
  | { kind: "changed" }
  | { kind: "progress"; progress: JobProgress }
  /** Its log has a new line. */
  | { kind: "log" };

/** Passes signals of jobs on within this process. */
export interface JobSignals {
  tell(job: string, signal: JobSignal): void;
  /** Returns the function that ends the watch. */
  watch(job: string, listener: (signal: JobSignal) => void): () => void;
}

export function createJobSignals(): JobSignals {
  const emitter = new EventEmitter({ captureRejections: false });
  emitter.setMaxListeners(0);
  return {
    tell: (job, signal) => {
      emitter.emit(job, signal);
    },
    watch: (job, listener) => {
      emitter.on(job, listener);
      return () => emitter.off(job, listener);
    },
  };
}
