import type { InputTensor, Manifest, ProblemDocument } from "@modulehub/core";
import type { EngineResult } from "./engine.ts";

/** What an isolated module's process is asked. */
export type ChildCall =
  | { call: "compile"; folder: string }
  | { call: "open"; folder: string; threads: number }
  | {
      call: "run";
      signature: string;
      inputs: ReadonlyMap<string, InputTensor>;
      outputs: readonly string[] | undefined;
    };

export type ChildRequest = { id: number } & ChildCall;

/** What it answers. */
export type ChildAnswer =
  | { id: number; kind: "compiled"; paths: string[] }
  | { id: number; kind: "opened"; manifest: Manifest }
  | ({ id: number; kind: "ran" } & EngineResult)
  | { id: number; kind: "refused"; problem: ProblemDocument }
  /** The message of a LocalFileError. */
  | { id: number; kind: "unusable"; message: string }
  | { id: number; kind: "failed"; message: string };
