import { type Batching, type Tensor, tensorBytes } from "@modulehub/core";
import { concat, joinable, pad, slice } from "./axis.ts";

/** What was proven of a signature; `none` where nothing was. */
export type Proof = Exclude<Batching, "none">;

/** Feeds that are run together, or not at all: one item of a request, or a request that can't be cut. */
export interface Work {
  feeds: ReadonlyMap<string, Tensor>;
  /** Size along the padded axis, words of the longest text, or 1: what a run's time grows with. */
  length: number;
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

/** Feeds of a request cut into its items; as they came where they don't fit the proof. */
export function cut(feeds: ReadonlyMap<string, Tensor>, batching: Batching): ReadonlyMap<string, Tensor>[] {
  if (batching === "none") return [feeds];
  const count = itemCount(feeds, batching);
  if (count === undefined || count < 2) return [feeds];
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

/** Whether two items may run together: equal but for the batch axis and what may be padded. */
export function compatible(a: Work, b: Work, proof: Proof): boolean {
  if (a.feeds.size !== b.feeds.size) return false;
  for (const [name, tensor] of a.feeds) {
    const other = b.feeds.get(name);
    const axis = proof.inputs[name];
    if (!other || axis === undefined) return false;
    if (axis === "shared") {
      if (!equalTensors(tensor, other)) return false;
      continue;
    }
    const padding = proof.pad[name];
    const same = padding
      ? { ...other, shape: other.shape.with(padding.axis, tensor.shape[padding.axis] ?? 0) }
      : other;
    if (!joinable(tensor, same as Tensor, axis)) return false;
  }
  return true;
}

export function equalTensors(a: Tensor, b: Tensor): boolean {
  if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) return false;
  if (a.dtype === "string" || b.dtype === "string") {
    const others = b.data as string[];
    return (a.data as string[]).every((text, index) => text === others[index]);
  }
  return Buffer.compare(tensorBytes(a), tensorBytes(b)) === 0;
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
