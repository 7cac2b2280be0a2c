import type { InputTensor, Manifest, Tensor } from "@modulehub/core";
import type { CompileTask } from "./compile-task.ts";

/** Something that was cut before the run, as an answer reports it. */
export interface Truncation {
  /** The signature's input. */
  input: string;
  /** Row-major index of the element in the input. */
  item: number;
  /** Tokens (special ones not counted) or words that were kept, of how many. */
  kept: number;
  of: number;
}

/** A request after the steps before the run. */
export interface Prepared {
  /** What the compiled graph is fed, by the graph's own input names. */
  feeds: Map<string, Tensor>;
  /** Tensors by their names in the signature, for the steps after the run and outputs that no graph makes. */
  kept: Map<string, Tensor>;
  truncated: Truncation[];
  /** Rows along the first axis of the inputs; 1 where an input has no axes. */
  items: number;
}

/** The graph that engines load. */
export interface CompiledGraph {
  /** A file in the module's folder. */
  path: string;
  /** The graph's inputs that must be fed, and the outputs to fetch, by the graph's own names. */
  feeds: string[];
  fetches: string[];
}

/** A module in a folder, ready to turn requests into feeds and fetches into answers. It holds no session. */
export interface Module {
  readonly manifest: Manifest;
  readonly folder: string;
  /**
   * The steps before the run: checks inputs against the signature, cuts words, tokenizes, decodes images.
   * Throws the codes of inputs (`tensor-invalid`, `input-missing`, `text-too-long`, `image-invalid`, …).
   * A tokenizer's patterns come from the module and may take for ever on some text: call this where it can be
   * ended, in a thread with a deadline.
   */
  prepare(signature: string, inputs: ReadonlyMap<string, InputTensor>): Promise<Prepared>;
  /**
   * Whether `prepare` takes a few milliseconds at the most for texts of which `areQuickTexts` holds, so that it may be
   * called beside other work. Reads and parses the tokenizer's file.
   */
  isQuick(signature: string): Promise<boolean>;
  /** What engines load for a signature and how it is made, for those who let another process make it. */
  compileTask(signature: string): CompileTask;
  /**
   * Writes, once, the graph that the engines load: the run step's graph with pool, normalize, softmax and
   * sigmoid appended, as a sibling of the original so that external data resolves.
   */
  compile(signature: string): Promise<CompiledGraph>;
  /**
   * The steps after the run that are no operators of ONNX (labels), and the choice of the signature's outputs.
   * Of labels no more than `topK` are kept, where that is given. Throws `output-unknown`, and `manifest-mismatch` where
   * the fetches don't fit what the manifest promises.
   */
  finish(
    signature: string,
    prepared: Prepared,
    fetches: ReadonlyMap<string, Tensor>,
    outputs?: readonly string[],
    topK?: number,
  ): Map<string, Tensor>;
}
