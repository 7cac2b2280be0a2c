import {
  type Digest,
  type Dimension,
  type InputTensor,
  problem,
  type Signature,
  type Tensor,
} from "@modulehub/core";
import type { Prepared, Truncation } from "@modulehub/runtime";
import type { Quarantine } from "./engines/quarantine.ts";
import type { ModuleCache, ModuleLease } from "./modules/module-cache.ts";
import type { Preparation } from "./preparation/preparation.ts";
import { checkOutputs, type InferCall, signatureOf } from "./protocols/infer-body.ts";
import { concat, pad, slice } from "./scheduler/axis.ts";
import type { Scheduler, Submission } from "./scheduler/scheduler.ts";
import { cut } from "./scheduler/work.ts";

/** What a call gives: the signature's outputs that were asked for, and what was cut of the inputs. */
export interface InferResult {
  outputs: Map<string, Tensor>;
  truncated: Truncation[];
}

/** The parts a call goes through. */
export interface InferenceParts {
  modules: ModuleCache;
  preparation: Preparation;
  scheduler: Scheduler;
  quarantine: Quarantine;
}

/**
 * One call, whichever protocol it came by: inputs → the steps before the run → items → the scheduler → the
 * steps after the run → outputs.
 *
 * Texts and images of one request are items on their own: each is prepared alone, so that nothing is padded
 * that the evidence doesn't cover, and its result is what it would be alone. Tensors are cut into items only
 * where batching is proven; otherwise they run as they came.
 */
export class Inference {
  readonly #parts: InferenceParts;

  constructor(parts: InferenceParts) {
    this.#parts = parts;
  }

  /**
   * Throws `too-many-requests` or `module-quarantined` where whatever a caller asks of a module now would be refused.
   * The module needn't be here.
   */
  checkRoom(digest: Digest, submission: Submission): void {
    this.#parts.quarantine.check(digest, submission.caller);
    this.#parts.scheduler.checkRoom(digest, submission);
  }

  /** The module that a request names, kept on disk until `work` is done. */
  async withModule<T>(digest: Digest, work: (lease: ModuleLease) => Promise<T>): Promise<T> {
    const lease = await this.#parts.modules.lease(digest);
    try {
      return await work(lease);
    } finally {
      lease.release();
    }
  }

  /** Runs a call. Throws the codes of inputs, of the scheduler and of the module's engine. */
  async infer(lease: ModuleLease, call: InferCall, submission: Submission): Promise<InferResult> {
    const signature = signatureOf(lease.manifest, call.signature);
    checkOutputs(lease.manifest, call.signature, call.outputs);
    for (const name of Object.keys(signature.inputs))
      if (!call.inputs.has(name)) throw problem("input-missing", `The signature's input ${name} is missing.`);
    this.#parts.quarantine.check(lease.digest, submission.caller);
    const encoded = hasPreparingSteps(signature);
    const single = encoded ? splitInputs(signature, call.inputs) : undefined;
    const target = {
      module: {
        digest: lease.digest,
        folder: lease.folder,
        bytes: lease.bytes,
        compileTask: lease.module.compileTask,
      },
      signature: call.signature,
      batching: lease.batching[call.signature] ?? ("none" as const),
    };
    // Others may have come while its body did; what is refused should not be prepared before.
    this.#parts.scheduler.checkRoom(lease.digest, submission);
    if (single) {
      // A tokenizer that isn't in memory takes as long to be loaded as a small model: both at once.
      const checkOpening = this.#parts.scheduler.prefetch(target);
      const prepared = await this.#prepare(lease, call.signature, single, submission);
      checkOpening();
      const fetched = await this.#parts.scheduler.submit(
        target,
        prepared.map(({ feeds }) => feeds),
        submission,
      );
      const results = prepared.map((item, index) =>
        lease.module.finish(call.signature, item, fetched[index]!, call.outputs),
      );
      return { outputs: joinOutputs(results), truncated: prepared.flatMap(renumbered) };
    }
    const [prepared] =
      encoded || textLength(call.inputs) > LONG_TEXTS
        ? await this.#prepare(lease, call.signature, [call.inputs], submission)
        : [await lease.module.prepare(call.signature, call.inputs)];
    if (!prepared) throw new Error("nothing was prepared");
    const items = cut(prepared.feeds, target.batching);
    const fetched = await this.#parts.scheduler.submit(target, items, submission);
    const outputs = lease.module.finish(call.signature, prepared, joinFetches(fetched), call.outputs);
    return { outputs, truncated: prepared.truncated };
  }

  /** Tokenizes and decodes; a module whose tokenizer never ends is held back as one that crashes. */
  async #prepare(
    lease: ModuleLease,
    signature: string,
    items: ReadonlyMap<string, InputTensor>[],
    submission: Submission,
  ): Promise<Prepared[]> {
    const { digest, folder } = lease;
    try {
      return await this.#parts.preparation.prepare({ digest, folder, signature }, items);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "deadline-exceeded")
        this.#parts.quarantine.blame(lease.digest, { input: "prepare", caller: submission.caller });
      throw error;
    }
  }
}

/** Texts of more characters than this are looked through (cut to their words, say) in a thread. */
const LONG_TEXTS = 16 * 1024;

function textLength(inputs: ReadonlyMap<string, InputTensor>): number {
  let length = 0;
  for (const tensor of inputs.values())
    if (tensor.dtype === "string") for (const text of tensor.data) length += text.length;
  return length;
}

const hasPreparingSteps = (signature: Signature): boolean =>
  (signature.steps ?? []).some((step) => "tokenize" in step || "image" in step);

/** A name for the batch that every input begins with; undefined where they don't. */
function batchDimension(signature: Signature): Dimension | undefined {
  const [first, ...others] = Object.values(signature.inputs).map(({ shape }) => shape[0]);
  return typeof first === "string" && others.every((other) => other === first) ? first : undefined;
}

/** The inputs of each item on its own; undefined where the signature has no batch, or nothing was given. */
function splitInputs(
  signature: Signature,
  inputs: ReadonlyMap<string, InputTensor>,
): ReadonlyMap<string, InputTensor>[] | undefined {
  if (batchDimension(signature) === undefined) return undefined;
  const counts = new Set([...inputs.values()].map(({ shape }) => shape[0]));
  const [count] = counts;
  if (counts.size !== 1 || count === undefined) return undefined;
  if (count === 0) throw problem("tensor-invalid", "The inputs are empty; give at least one item.");
  return Array.from({ length: count }, (_, index) => {
    const item = new Map<string, InputTensor>();
    for (const [name, tensor] of inputs) item.set(name, rowOf(tensor, index));
    return item;
  });
}

function rowOf(tensor: InputTensor, index: number): InputTensor {
  return tensor.dtype === "image"
    ? { ...tensor, shape: [1], data: tensor.data.slice(index, index + 1) }
    : slice(tensor, 0, index, 1);
}

function renumbered({ truncated }: Prepared, item: number): Truncation[] {
  return truncated.map((truncation) => ({ ...truncation, item }));
}

function joinFetches(items: Map<string, Tensor>[]): Map<string, Tensor> {
  const [first] = items;
  if (!first || items.length === 1) return first ?? new Map();
  return new Map(
    [...first.keys()].map((name) => [
      name,
      concat(
        items.map((item) => item.get(name)!),
        0,
      ),
    ]),
  );
}

/**
 * Answers of items as one, along the first axis. Rows that differ in size, such as a vector a token, are filled
 * with zeros (or empty strings) to the longest; the mask among the outputs says which count.
 */
function joinOutputs(items: Map<string, Tensor>[]): Map<string, Tensor> {
  const [first] = items;
  const joined = new Map<string, Tensor>();
  for (const name of first?.keys() ?? []) {
    let tensors = items.map((item) => item.get(name)!);
    const rank = tensors[0]!.shape.length;
    for (let axis = 1; axis < rank; axis++) {
      const longest = Math.max(...tensors.map(({ shape }) => shape[axis] ?? 0));
      tensors = tensors.map((tensor) => pad(tensor, axis, longest, tensor.dtype === "string" ? "" : 0));
    }
    joined.set(name, rank === 0 ? tensors[0]! : concat(tensors, 0));
  }
  return joined;
}
