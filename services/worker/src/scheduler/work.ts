import { createHash } from "node:crypto";
import { type Batching, binaryBytes, problem, type Tensor } from "@modulehub/core";
import { concat, pad, slice } from "./axis.ts";

/** What was proven of a signature; `none` where nothing was. */
export type Proof = Exclude<Batching, "none">;

/** Feeds that are run together, or not at all: one item of a request, or a request that can't be cut. */
export interface Work {
  feeds: ReadonlyMap<string, Tensor>;
  /** Size along the padded axis, words of the longest text, or 1: what a run's time grows with. */
  length: number;
}

/** Items that one request may have. Each is a job of its own, queued between everyone else's on the worker's thread. */
export const MAX_ITEMS = 4096;

/** Throws `invalid-request` for more items than one request may have. */
export function checkItemCount(count: number): void {
  if (count > MAX_ITEMS)
    throw problem(
      "invalid-request",
      `The inputs are ${count} items; one request may have ${MAX_ITEMS}. Send them in several.`,
    );
}

/** Texts beyond this are not looked through on the worker's own thread. */
const LONG_TEXT = 16 * 1024;

/** Words, separated by white space as the text modules' own graphs split; a guess for long texts. */
const words = (text: string): number =>
  text.length > LONG_TEXT ? Math.ceil(text.length / 6) : text.split(/\s+/).length;

/** How long feeds are, for the batch former and the admission. */
export function lengthOf(feeds: ReadonlyMap<string, Tensor>, batching: Batching): number {
  let length = 1;
  for (const [name, tensor] of feeds) {
    if (tensor.dtype === "string") for (const text of tensor.data) length = Math.max(length, words(text));
    else if (batching !== "none" && batching.pad[name])
      length = Math.max(length, tensor.shape[batching.pad[name].axis] ?? 1);
  }
  return length;
}

/**
 * Feeds of a request cut into its items; as they came where they don't fit the proof. Throws `invalid-request` for too
 * many: run uncut they would be a larger batch than any that was proven.
 */
export function cut(feeds: ReadonlyMap<string, Tensor>, batching: Batching): ReadonlyMap<string, Tensor>[] {
  if (batching === "none") return [feeds];
  const count = itemCount(feeds, batching);
  if (count === undefined || count < 2) return [feeds];
  checkItemCount(count);
  return Array.from({ length: count }, (_, index) => {
    const item = new Map<string, Tensor>();
    for (const [name, tensor] of feeds) {
      const axis = batching.inputs[name];
      item.set(name, typeof axis === "number" ? slice(tensor, axis, index, 1) : tensor);
    }
    return item;
  });
}

/** Items in feeds; undefined where inputs disagree about it. */
export function itemCount(feeds: ReadonlyMap<string, Tensor>, proof: Proof): number | undefined {
  let count: number | undefined;
  for (const [name, tensor] of feeds) {
    const axis = proof.inputs[name];
    if (axis === undefined) return undefined;
    if (axis === "shared") continue;
    const size = tensor.shape[axis];
    if (size === undefined || (count !== undefined && size !== count)) return undefined;
    count = size;
  }
  return count;
}

/**
 * A name for what an item may run together with: items of one kind are equal but for the batch axis and what may be
 * padded. Undefined for an item that the proof doesn't cover, which runs alone.
 */
export function kindOf(feeds: ReadonlyMap<string, Tensor>, proof: Proof): string | undefined {
  const parts: string[] = [];
  for (const name of [...feeds.keys()].sort()) {
    const tensor = feeds.get(name)!;
    const axis = proof.inputs[name];
    if (axis === undefined) return undefined;
    const free = axis === "shared" ? [] : [axis, proof.pad[name]?.axis];
    const shape = tensor.shape.map((size, index) => (free.includes(index) ? "*" : size));
    const value = axis === "shared" ? createHash("sha256").update(binaryBytes(tensor)).digest("base64") : "";
    parts.push(`${JSON.stringify(name)} ${tensor.dtype} ${shape.join()} ${value}`);
  }
  return parts.join();
}

/** One run's feeds for several items, padded to the longest. */
export function join(items: readonly Work[], proof: Proof): Map<string, Tensor> {
  const feeds = new Map<string, Tensor>();
  const names = items[0]?.feeds.keys() ?? [];
  for (const name of names) {
    const axis = proof.inputs[name];
    const tensors = items.map((item) => item.feeds.get(name)!);
    if (typeof axis !== "number") {
      feeds.set(name, tensors[0]!);
      continue;
    }
    const padding = proof.pad[name];
    if (!padding) feeds.set(name, concat(tensors, axis));
    else {
      const longest = Math.max(...tensors.map(({ shape }) => shape[padding.axis] ?? 0));
      const padded = tensors.map((tensor) => pad(tensor, padding.axis, longest, padding.value));
      feeds.set(name, concat(padded, axis));
    }
  }
  return feeds;
}

/** The fetches of a run, an item each. Undefined where they aren't as many rows as items: the proof is wrong. */
export function split(
  fetches: ReadonlyMap<string, Tensor>,
  count: number,
  proof: Proof,
): Map<string, Tensor>[] | undefined {
  for (const [name, tensor] of fetches) {
    const axis = proof.outputs[name];
    if (axis === undefined || tensor.shape[axis] !== count) return undefined;
  }
  return Array.from(
    { length: count },
    (_, index) =>
      new Map([...fetches].map(([name, tensor]) => [name, slice(tensor, proof.outputs[name]!, index, 1)])),
  );
}
