import {
  classificationOutput,
  type Digest,
  embeddingOutput,
  type Manifest,
  problem,
  type Tensor,
  tensorToJson,
} from "@modulehub/core";
import type { ClassifyAnswer, ClassifyInput, ClassifyOptions } from "../operations/classify.ts";
import type { EmbedAnswer, EmbedInput } from "../operations/embed.ts";
import type { InferInput, InferOptions } from "../operations/infer.ts";
import type { Engine, Truncation } from "./engine.ts";
import { inputTensors } from "./inputs.ts";

/** What a run on this machine gives: tensors by their names, held as typed arrays. */
export interface RunResult {
  /** Row-major; 16-bit floats are bit patterns in a Uint16Array. */
  outputs: Record<string, Tensor>;
  truncated: Truncation[];
}

/** A module that runs on this machine. */
export class LoadedModule {
  /** With the exact number. */
  readonly handle: string;
  readonly version: number;
  readonly digest: Digest;
  readonly manifest: Manifest;
  /** Where its files lie in the cache. Not to be written. */
  readonly folder: string;
  readonly #engine: Engine;
  readonly #module: string;

  constructor(
    engine: Engine,
    version: {
      handle: string;
      module: string;
      version: number;
      digest: Digest;
      manifest: Manifest;
      folder: string;
    },
  ) {
    this.handle = version.handle;
    this.version = version.version;
    this.digest = version.digest;
    this.manifest = version.manifest;
    this.folder = version.folder;
    this.#module = version.module;
    this.#engine = engine;
  }

  /**
   * Named tensors in, named tensors out. An image may also be given by its file's path. Throws the codes that
   * `infer` is refused with. A signal stops an isolated run at once; one in this process before it begins.
   */
  async run(inputs: Record<string, InferInput>, options: InferOptions = {}): Promise<RunResult> {
    const { signature = "default", outputs, signal } = options;
    const { signatures } = this.manifest;
    const declared = Object.hasOwn(signatures, signature) ? signatures[signature] : undefined;
    if (!declared)
      throw problem(
        "signature-unknown",
        `The module has no signature ${signature.slice(0, 100)}; it has ${Object.keys(signatures).join(", ")}.`,
      );
    const result = await this.#engine.run(signature, await inputTensors(declared, inputs), outputs, signal);
    return { outputs: Object.fromEntries(result.outputs), truncated: result.truncated };
  }

  /** As `hub.embed`. Throws `task-mismatch` where the module doesn't embed. */
  async embed(inputs: EmbedInput): Promise<EmbedAnswer> {
    const { signature, input, output } = embeddingOutput(this.manifest);
    const options = { signature, outputs: [output] };
    const { outputs, truncated } = await this.run({ [input]: listOf(inputs) }, options);
    const { shape, data } = tensorToJson(outputs[output]!);
    const [count = 0, width = 0] = shape;
    const numbers = data.filter((element) => typeof element !== "boolean");
    const embeddings = Array.from({ length: count }, (_, row) =>
      numbers.slice(row * width, (row + 1) * width),
    );
    return { embeddings, model: this.#module, version: this.version, ...cut(truncated) };
  }

  /** As `hub.classify`. Throws `task-mismatch` where the module doesn't classify. */
  async classify(inputs: ClassifyInput, options: ClassifyOptions = {}): Promise<ClassifyAnswer> {
    const role = classificationOutput(this.manifest);
    const wanted = { signature: role.signature, outputs: [role.labels, role.scores] };
    const { outputs, truncated } = await this.run({ [role.input]: listOf(inputs) }, wanted);
    const labels = outputs[role.labels];
    const scores = outputs[role.scores];
    if (labels?.dtype !== "string" || scores?.dtype !== "float32")
      throw problem("manifest-mismatch", "The labels step gave what are no labels and scores.");
    const [count = 0, width = 0] = labels.shape;
    const results = Array.from({ length: count }, (_, row) =>
      Array.from({ length: Math.min(width, options.topK ?? width) }, (_, rank) => ({
        label: labels.data[row * width + rank]!,
        score: scores.data[row * width + rank]!,
      })),
    );
    return { results, ...cut(truncated) };
  }

  /** Frees the module's memory, and ends its process where it has one. */
  close(): Promise<void> {
    return this.#engine.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const listOf = (inputs: EmbedInput): InferInput => (Array.isArray(inputs) ? inputs : [inputs]);

const cut = (truncated: Truncation[]) => (truncated.length > 0 ? { truncated } : {});
