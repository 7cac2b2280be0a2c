import { createHash } from "node:crypto";
import { digestOfHex } from "@modulehub/core";
import type { Example } from "../example.ts";
import { contentDigest } from "../survey/content-digest.ts";

/** Characters of a text that are kept with a mistake. */
const KEPT = 300;

/** Counts examples and keeps what says which they were. */
export class EvaluatedExamples {
  readonly #hash = createHash("sha256");
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** `label` as text. */
  add({ id, content }: Pick<Example, "id" | "content">, label: string): void {
    this.#hash.update(`${id}\0${contentDigest(content)}\0${label}\n`);
    this.#count += 1;
  }

  /** What every evaluation begins with. Throws a RangeError without examples. */
  result() {
    if (this.#count === 0) throw new RangeError("there is nothing to evaluate");
    return { examples: this.#count, examplesDigest: digestOfHex(this.#hash.copy().digest("hex")) };
  }
}

/** What is told of an example beside a mistake: its id, and the beginning of its text. */
export function toldOf({ id, content }: Pick<Example, "id" | "content">): { id: string; text?: string } {
  if (content.kind === "image") return { id };
  const { text } = content;
  return { id, text: text.length > KEPT ? `${text.slice(0, KEPT).toWellFormed()}…` : text };
}
