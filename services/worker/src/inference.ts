import type { Digest, InputTensor, Tensor } from "@modulehub/core";
import { checkInputNames, checkOutputNames, type Prepared, type Truncation } from "@modulehub/runtime";
import type { Quarantine } from "./engines/quarantine.ts";
import type { ModuleCache, ModuleLease } from "./modules/module-cache.ts";
import { hasPreparingSteps, itemsOf } from "./preparation/items.ts";
import type { Preparation } from "./preparation/preparation.ts";
import type { BodyForm, PreparedCall } from "./preparation/read-call.ts";
import { Overstayed } from "./preparation/thread-pool.ts";
import { type InferCall, signatureOf } from "./protocols/infer-body.ts";
import { concat, pad } from "./scheduler/axis.ts";
import type { Target } from "./scheduler/job.ts";
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

  /** The module that a request names, kept on disk until `work` is done. Throws as `ModuleCache.lease` does. */
  async withModule<T>(
    digest: Digest,
    submission: Submission,
    work: (lease: ModuleLease) => Promise<T>,
  ): Promise<T> {
    const lease = await this.#parts.modules.lease(digest, submission);
    try {
      return await work(lease);
    } finally {
      lease.release();
    }
  }

  /** Runs a call. Throws the codes of inputs, of the scheduler and of the module's engine. */
  async infer(lease: ModuleLease, call: InferCall, submission: Submission): Promise<InferResult> {
    const { signature: name, inputs, outputs } = call;
    const signature = signatureOf(lease.manifest, name);
    checkOutputNames(signature, outputs);
    checkInputNames(signature, [...inputs.keys()]);
    this.#checkTurn(lease, submission);
    const { items, separate } = itemsOf(signature, inputs);
    // A tokenizer that isn't in memory takes as long to be loaded as a small model: both at once.
    const checkOpening = separate ? this.#parts.scheduler.prefetch(targetOf(lease, name)) : undefined;
    const prepared =
      hasPreparingSteps(signature) || textLength(inputs) > LONG_TEXTS
        ? await this.#blaming(lease, submission, ({ digest, folder }) =>
            this.#parts.preparation.prepare({ digest, folder, signature: name }, items, submission),
          )
        : [await lease.module.prepare(name, inputs)];
    checkOpening?.();
    return this.#run(lease, { signature: name, outputs, prepared, separate, topK: call.topK }, submission);
  }

  /**
   * Runs the call in a body that is too large to be read here. Throws as `infer` does, and what the reading of its form
   * throws. The bytes are given away.
   */
  async inferBody(
    lease: ModuleLease,
    form: BodyForm,
    bytes: Uint8Array<ArrayBuffer>,
    submission: Submission,
  ): Promise<InferResult> {
    this.#checkTurn(lease, submission);
    const { manifest } = lease;
    const call = await this.#blaming(lease, submission, ({ digest, folder }) =>
      this.#parts.preparation.readBody({ digest, folder, manifest }, form, bytes, submission),
    );
    return this.#run(lease, call, submission);
  }

  /** Others may have come while a request's body did; what is refused should not be prepared before. */
  #checkTurn(lease: ModuleLease, submission: Submission): void {
    this.#parts.quarantine.check(lease.digest, submission.caller);
    this.#parts.scheduler.checkRoom(lease.digest, submission);
  }

  async #run(lease: ModuleLease, call: PreparedCall, submission: Submission): Promise<InferResult> {
    const { signature, prepared, outputs: asked, topK } = call;
    const target = targetOf(lease, signature);
    const { scheduler } = this.#parts;
    if (call.separate) {
      const items = prepared.map(({ feeds }) => feeds);
      const fetched = await scheduler.submit(target, items, submission);
      const results = prepared.map((item, index) =>
        lease.module.finish(signature, item, fetched[index]!, asked, topK),
      );
      return { outputs: joinOutputs(results), truncated: prepared.flatMap(renumbered) };
    }
    const [whole] = prepared;
    if (!whole) throw new Error("nothing was prepared");
    const fetched = await scheduler.submit(target, cut(whole.feeds, target.batching), submission);
    const outputs = lease.module.finish(signature, whole, joinFetches(fetched), asked, topK);
    return { outputs, truncated: whole.truncated };
  }

  /** A module whose tokenizer never ends is held back as one that crashes; not one that only waited for a thread. */
  async #blaming<T>(
    lease: ModuleLease,
    submission: Submission,
    prepare: (lease: ModuleLease) => Promise<T>,
  ): Promise<T> {
    try {
      return await prepare(lease);
    } catch (error) {
      if (error instanceof Error && error.cause instanceof Overstayed)
        this.#parts.quarantine.blame(lease.digest, { input: "prepare", caller: submission.caller });
      throw error;
    }
  }
}

const targetOf = (lease: ModuleLease, signature: string): Target => ({
  module: {
    digest: lease.digest,
    folder: lease.folder,
    bytes: lease.bytes,
    compileTask: lease.module.compileTask,
  },
  signature,
  batching: lease.batching[signature] ?? "none",
});

/** Texts of more characters than this are looked through (cut to their words, say) in a thread. */
const LONG_TEXTS = 16 * 1024;

function textLength(inputs: ReadonlyMap<string, InputTensor>): number {
  let length = 0;
  for (const tensor of inputs.values())
    if (tensor.dtype === "string") for (const text of tensor.data) length += text.length;
  return length;
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
