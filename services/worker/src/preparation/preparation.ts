import type { InputTensor, Manifest } from "@modulehub/core";
import { areQuickTexts, type Prepared } from "@modulehub/runtime";
import type { Patience } from "../patience.ts";
import { OpenModules } from "./open-modules.ts";
import type { BodyForm, PreparedCall } from "./read-call.ts";
import type { ThreadPool } from "./thread-pool.ts";

/** A signature whose inputs are prepared, of a module in a folder. */
export interface PreparedFor {
  digest: string;
  folder: string;
  signature: string;
}

/** A tokenizer is loaded into this thread, which takes some 25 ms, for a signature that was asked so often. */
const OFTEN = 16;

/** Signatures whose calls are counted; the ones asked longest ago are forgotten. */
const MOST_COUNTED = 1024;

interface Counted {
  calls: number;
  /** Whether short texts may be prepared here, once that is known. */
  quick: boolean | undefined;
}

/**
 * The steps before the run: tokenizing and decoding. They happen in threads, for a publisher's patterns may take for
 * ever. Only short texts of modules that are asked often, with a tokenizer that is known to take a bounded time, are
 * tokenized at once: handing them to a thread takes ten times as long as that.
 */
export class Preparation {
  readonly #threads: ThreadPool;
  readonly #counted = new Map<string, Counted>();
  readonly #modules = new OpenModules();

  constructor(threads: ThreadPool) {
    this.#threads = threads;
  }

  /** Each item on its own. Throws what the steps do, and as `ThreadPool.run` does. */
  async prepare(
    what: PreparedFor,
    items: ReadonlyMap<string, InputTensor>[],
    patience?: Patience,
  ): Promise<Prepared[]> {
    const { digest, folder, signature } = what;
    if (areShort(items) && this.#isQuick(what)) {
      const module = await this.#modules.get(folder);
      const prepared: Prepared[] = [];
      for (const item of items) prepared.push(await module.prepare(signature, item));
      return prepared;
    }
    return await this.#threads.run(digest, { kind: "prepare", folder, signature, items }, patience);
  }

  /**
   * Reads a large JSON body and prepares what it holds, in a thread. The bytes, all of their buffer, are given away.
   * Throws as `prepare` does, and what the reading of such a form throws.
   */
  async readBody(
    { digest, folder, manifest }: Pick<PreparedFor, "digest" | "folder"> & { manifest: Manifest },
    form: BodyForm,
    bytes: Uint8Array<ArrayBuffer>,
    patience?: Patience,
  ): Promise<PreparedCall> {
    return await this.#threads.run(digest, { kind: "call", bytes, form, manifest, folder }, patience);
  }

  #isQuick({ digest, folder, signature }: PreparedFor): boolean {
    const key = `${digest} ${signature}`;
    const counted = this.#counted.get(key) ?? { calls: 0, quick: undefined };
    this.#counted.delete(key);
    this.#counted.set(key, counted);
    if (this.#counted.size > MOST_COUNTED)
      for (const oldest of this.#counted.keys().take(1)) this.#counted.delete(oldest);
    counted.calls += 1;
    // The file is looked at in a thread, and only loaded here once it is known to be harmless.
    if (counted.calls === OFTEN)
      this.#threads.run(digest, { kind: "quick", folder, signature }).then(
        (quick) => {
          counted.quick = quick;
        },
        // What is wrong with the module its requests are told.
        () => undefined,
      );
    return counted.quick === true;
  }
}

/** Whether all inputs are texts that are quickly looked through. */
function areShort(items: readonly ReadonlyMap<string, InputTensor>[]): boolean {
  const texts: string[] = [];
  for (const item of items)
    for (const tensor of item.values()) {
      if (tensor.dtype !== "string") return false;
      for (const text of tensor.data) texts.push(text);
    }
  return areQuickTexts(texts);
}
