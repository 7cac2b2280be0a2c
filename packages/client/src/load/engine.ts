import type { InputTensor, Manifest, Tensor } from "@modulehub/core";

/** Something that was cut before the run: an input's element, and how many of its tokens or words were kept. */
export interface Truncation {
  input: string;
  item: number;
  kept: number;
  of: number;
}

export interface EngineResult {
  outputs: Map<string, Tensor>;
  truncated: Truncation[];
}

/** What runs a module that lies in a folder: this process, or a child of its own. */
export interface Engine {
  /** Makes the graphs that sessions load, beside the module's own; answers their paths. */
  compile(folder: string): Promise<string[]>;
  /** Opens a folder whose graphs are compiled. Called once, before `run`. */
  open(folder: string, threads: number): Promise<Manifest>;
  run(
    signature: string,
    inputs: ReadonlyMap<string, InputTensor>,
    outputs: readonly string[] | undefined,
    signal?: AbortSignal,
  ): Promise<EngineResult>;
  close(): Promise<void>;
}
