import type { Tensor } from "@modulehub/core";
import { concat, slice } from "../scheduler/axis.ts";

/** Feeds of one item. */
export type Feeds = ReadonlyMap<string, Tensor>;

/** An item made for the evidence; an extreme one is far from what the module's author expects. */
export interface Candidate {
  feeds: Feeds;
  extreme: boolean;
}

type Change = (value: number, index: number, count: number, all: ArrayLike<number>) => number;

/** How floating-point inputs are varied; large and small values would show coupling that depends on size. */
const FLOAT_CHANGES: { change: Change; extreme: boolean }[] = [
  { change: (value, index) => value + noise(index) * (1 + Math.abs(value)), extreme: false },
  { change: (_value, index, count, all) => all[count - 1 - index]!, extreme: false },
  { change: (value, index) => 0.5 * value - noise(index + 7), extreme: false },
  { change: (value) => -value, extreme: false },
  { change: () => 0, extreme: false },
  { change: (value, index) => 1e3 * (value + noise(index)), extreme: true },
  { change: (value, index) => (index % 3 === 0 ? 1e6 : value), extreme: true },
  { change: (_value, index) => -1e6 * (1 + Math.abs(noise(index))), extreme: true },
  { change: (_value, index) => 1e-6 * noise(index), extreme: true },
];

/** Integers stay among those that were seen, but for the last two, which fail where they are indices. */
const INTEGER_CHANGES: { change: Change; extreme: boolean }[] = [
  { change: (_value, index, count, all) => all[count - 1 - index]!, extreme: false },
  { change: (_value, index, count, all) => all[(index * 5 + 2) % count]!, extreme: false },
  { change: (_value, _index, count, all) => all[count >> 1]!, extreme: false },
  { change: (_value, index) => index % 2, extreme: false },
  { change: () => 0, extreme: false },
  { change: (_value, index) => 1000 + index, extreme: true },
  { change: (value) => value + 1_000_000, extreme: true },
];

/** Deterministic numbers in −1…1 that look random. */
function noise(index: number): number {
  const value = Math.sin((index + 1) * 12.9898) * 43758.5453;
  return 2 * (value - Math.floor(value)) - 1;
}

/** Variations of one item's feeds: other contents of the same shapes, then shorter and longer ones. */
export function varyTensors(item: Feeds, openAxes: ReadonlyMap<string, readonly string[]>): Candidate[] {
  const rounds = Math.max(FLOAT_CHANGES.length, INTEGER_CHANGES.length);
  const varied: Candidate[] = [];
  for (let round = 0; round < rounds; round++) {
    const feeds = new Map<string, Tensor>();
    let extreme = false;
    for (const [name, tensor] of item) {
      const changed = vary(tensor, round);
      feeds.set(name, changed.tensor);
      extreme ||= changed.extreme;
    }
    varied.push({ feeds, extreme });
  }
  const resized = [item, ...varied.slice(0, 3).map(({ feeds }) => feeds)].flatMap((feeds) =>
    resize(feeds, openAxes),
  );
  return [...varied, ...resized.map((feeds) => ({ feeds, extreme: false }))];
}

function vary(tensor: Tensor, round: number): { tensor: Tensor; extreme: boolean } {
  switch (tensor.dtype) {
    case "float32":
    case "float64": {
      const { change, extreme } = FLOAT_CHANGES[round % FLOAT_CHANGES.length]!;
      const all: ArrayLike<number> = tensor.data;
      const data = tensor.data.slice();
      for (let index = 0; index < data.length; index++)
        data[index] = change(all[index]!, index, all.length, all);
      return { tensor: { ...tensor, data } as Tensor, extreme };
    }
    case "float16": {
      const { change, extreme } = FLOAT_CHANGES[round % FLOAT_CHANGES.length]!;
      const all = new Float16Array(tensor.data.slice().buffer);
      const changed = new Float16Array(
        Array.from(all, (value, index) => change(value, index, all.length, all)),
      );
      return { tensor: { ...tensor, data: new Uint16Array(changed.buffer) }, extreme };
    }
    case "int64":
    case "uint64": {
      const { change, extreme } = INTEGER_CHANGES[round % INTEGER_CHANGES.length]!;
      const all = Array.from(tensor.data as Iterable<bigint>, Number);
      const data = tensor.data.slice();
      for (let index = 0; index < data.length; index++)
        data[index] = BigInt(Math.max(0, Math.trunc(change(all[index]!, index, all.length, all))));
      return { tensor: { ...tensor, data } as Tensor, extreme };
    }
    case "string": {
      const texts = tensor.data.map((text, index) => varyText(text, round + index));
      return { tensor: { ...tensor, data: texts }, extreme: false };
    }
    case "bool": {
      const data = tensor.data.map((value, index) => (round < 2 ? 1 - value : (index + round) % 2));
      return { tensor: { ...tensor, data }, extreme: false };
    }
    default: {
      const { change, extreme } = INTEGER_CHANGES[round % INTEGER_CHANGES.length]!;
      const all: ArrayLike<number> = tensor.data;
      const data = tensor.data.slice();
      for (let index = 0; index < data.length; index++)
        data[index] = change(all[index]!, index, all.length, all);
      return { tensor: { ...tensor, data } as Tensor, extreme };
    }
  }
}

/** Other texts made of a text's words: in another order, fewer, more, none. */
export function varyText(text: string, round: number): string {
  const words = text.split(/\s+/).filter(Boolean);
  switch (round % 8) {
    case 0:
      return words.toReversed().join(" ");
    case 1:
      return [...words.slice(1), ...words.slice(0, 1)].join(" ");
    case 2:
      return words.slice(0, Math.ceil(words.length / 2)).join(" ");
    case 3:
      return [...words, ...words, "zebra"].join(" ");
    case 4:
      return words.filter((_, index) => index % 3 !== 1).join(" ");
    case 5:
      return Array.from({ length: 40 }, (_, index) => words[index % Math.max(1, words.length)] ?? "x").join(
        " ",
      );
    case 6:
      return words[0] ?? "zebra";
    default:
      return "";
  }
}

/** The item at other lengths, of each open dimension that it has but the batch: a half, a quarter and the double. */
function resize(item: Feeds, openAxes: ReadonlyMap<string, readonly string[]>): Feeds[] {
  const names = new Set([...openAxes.values()].flatMap((axes) => axes.slice(1).filter(Boolean)));
  return [...names].flatMap((dimension) =>
    [0.5, 0.25, 2].map((factor) => {
      const feeds = new Map<string, Tensor>();
      for (const [input, tensor] of item) {
        const axis = openAxes.get(input)?.indexOf(dimension) ?? -1;
        const length = Math.ceil((tensor.shape[axis] ?? 0) * factor);
        feeds.set(input, axis > 0 ? slice(concat([tensor, tensor], axis), axis, 0, length) : tensor);
      }
      return feeds;
    }),
  );
}
