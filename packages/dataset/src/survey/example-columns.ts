import { MAX_EXAMPLES, problem, type Split } from "@modulehub/core";
import type { RawLabel } from "../row.ts";
import { ClassNames } from "./class-names.ts";

/** What is remembered of an example. */
export interface Noted {
  label: RawLabel;
  split: Split | undefined;
  /** Of its content: 52 bits. */
  digest: number;
  /** Characters of a text, bytes of an image. */
  length: number;
  draws: { test: number; validation: number };
}

const GIVEN: readonly (Split | undefined)[] = [undefined, "train", "validation", "test"];

/** Labels that are remembered in all, where an example has any number of them. */
const MAX_LABELS = 16_000_000;

/**
 * What is remembered of all examples in one pass: 37 bytes an example, and 4 for each of several labels. Columns grow
 * by half, so that a million examples take less than 60 MB.
 */
export class ExampleColumns {
  readonly names = new ClassNames();
  #count = 0;
  #capacity = 1024;
  #digests = new Float64Array(this.#capacity);
  #test = new Float64Array(this.#capacity);
  #validation = new Float64Array(this.#capacity);
  /** The class's index, the number, or where the example's labels end in `#labels`. */
  #targets = new Float64Array(this.#capacity);
  #lengths = new Uint32Array(this.#capacity);
  #given = new Uint8Array(this.#capacity);
  #labels: number[] = [];

  get count(): number {
    return this.#count;
  }

  /** Throws `data-too-large` beyond what can be remembered, `data-too-many-classes` beyond what a head can have. */
  add({ label, split, digest, length, draws }: Noted): void {
    if (this.#count === MAX_EXAMPLES)
      throw problem("data-too-large", `The data set has more than ${MAX_EXAMPLES} examples.`);
    if (this.#count === this.#capacity) this.#grow();
    const at = this.#count++;
    this.#digests[at] = digest;
    this.#test[at] = draws.test;
    this.#validation[at] = draws.validation;
    this.#lengths[at] = length;
    this.#given[at] = GIVEN.indexOf(split);
    this.#targets[at] = this.#target(label);
  }

  #target(label: RawLabel): number {
    if (label.kind === "number") return label.value;
    if (label.kind === "class") return this.names.indexOf(label.name);
    for (const name of label.names) this.#labels.push(this.names.indexOf(name));
    if (this.#labels.length > MAX_LABELS)
      throw problem("data-too-large", `The examples have more than ${MAX_LABELS} labels together.`);
    return this.#labels.length;
  }

  #grow(): void {
    this.#capacity = Math.ceil(this.#capacity * 1.5);
    this.#digests = into(this.#digests, new Float64Array(this.#capacity));
    this.#test = into(this.#test, new Float64Array(this.#capacity));
    this.#validation = into(this.#validation, new Float64Array(this.#capacity));
    this.#targets = into(this.#targets, new Float64Array(this.#capacity));
    this.#lengths = into(this.#lengths, new Uint32Array(this.#capacity));
    this.#given = into(this.#given, new Uint8Array(this.#capacity));
  }

  /** The split that the data gives an example. */
  given(at: number): Split | undefined {
    return GIVEN[this.#given[at]!];
  }

  digest(at: number): number {
    return this.#digests[at]!;
  }

  draw(split: "test" | "validation", at: number): number {
    return (split === "test" ? this.#test : this.#validation)[at]!;
  }

  /** A class's index among `names`, or a number. */
  target(at: number): number {
    return this.#targets[at]!;
  }

  /** Indexes among `names` of an example that has several labels. */
  labels(at: number): number[] {
    return this.#labels.slice(at === 0 ? 0 : this.#targets[at - 1]!, this.#targets[at]!);
  }

  /** Ascending. */
  lengths(): Uint32Array {
    return this.#lengths.slice(0, this.#count).sort();
  }
}

function into<T extends Float64Array | Uint32Array | Uint8Array>(column: T, larger: T): T {
  larger.set(column);
  return larger;
}
