import type { InputTensor, Signature, Tensor } from "@modulehub/core";
import { runStep } from "@modulehub/core";
import type { Module } from "@modulehub/runtime";
import { slice } from "../scheduler/axis.ts";
import type { Proof } from "../scheduler/work.ts";
import { type Candidate, type Feeds, varyTensors, varyText } from "./tensor-variations.ts";

/** Variations of a text, and items of which variations are made. */
const TEXT_ROUNDS = 8;
const SOURCES = 3;

type Inputs = ReadonlyMap<string, InputTensor>;

/** Items to try, made of the examples: their rows, and variations of the first of them. */
export async function batchingItems(
  module: Module,
  name: string,
  signature: Signature,
  examples: readonly Inputs[],
  openAxes: ReadonlyMap<string, readonly string[]>,
): Promise<Candidate[]> {
  const rows = examples.flatMap((inputs) => rowsOf(inputs, signature));
  const items: Candidate[] = [];
  for (const row of rows.slice(0, 12))
    items.push({ feeds: (await module.prepare(name, row)).feeds, extreme: false });
  const texts = [...(rows[0] ?? [])].some(([, { dtype }]) => dtype === "string");
  if (texts)
    for (const row of rows.slice(0, SOURCES))
      for (let round = 0; round < TEXT_ROUNDS; round++)
        items.push({ feeds: (await module.prepare(name, varied(row, round))).feeds, extreme: false });
  const tokenized = (signature.steps ?? []).some((step) => "tokenize" in step);
  if (!tokenized)
    for (const { feeds } of items.slice(0, Math.min(rows.length, SOURCES)))
      items.push(...varyTensors(feeds, openAxes));
  return items;
}

/**
 * Each row of inputs on its own, along the first axis; the inputs as they are where they disagree about it, and
 * where the signature fixes it: a row of those would not fit.
 */
function rowsOf(inputs: Inputs, signature: Signature): Inputs[] {
  if (Object.values(signature.inputs).some(({ shape }) => typeof shape[0] !== "string")) return [inputs];
  const counts = new Set([...inputs.values()].map(({ shape }) => shape[0] ?? 0));
  const [count = 0] = counts;
  if (counts.size !== 1 || count < 2) return [inputs];
  return Array.from({ length: count }, (_, index) => {
    const row = new Map<string, InputTensor>();
    for (const [name, tensor] of inputs) row.set(name, rowOf(tensor, index));
    return row;
  });
}

function rowOf(tensor: InputTensor, index: number): InputTensor {
  return tensor.dtype === "image"
    ? { ...tensor, shape: [1], data: tensor.data.slice(index, index + 1) }
    : slice(tensor, 0, index, 1);
}

function varied(inputs: Inputs, round: number): Inputs {
  const changed = new Map<string, InputTensor>();
  for (const [name, tensor] of inputs)
    changed.set(
      name,
      tensor.dtype === "string"
        ? { ...tensor, data: tensor.data.map((text, index) => varyText(text, round + index)) }
        : tensor,
    );
  return changed;
}

/**
 * What padding would be, where a mask is fed: what the tokenizer itself pads with, seen by preparing a short text
 * beside a long one; for tensors, an input that is named as a mask is padded with 0, and so are all others of its
 * length.
 */
export async function paddingOf(
  module: Module,
  name: string,
  signature: Signature,
  openAxes: ReadonlyMap<string, readonly string[]>,
): Promise<Proof["pad"] | undefined> {
  const tokenize = (signature.steps ?? []).flatMap((step) => ("tokenize" in step ? [step.tokenize] : []))[0];
  if (!tokenize) return paddingByName(openAxes);
  const names = Object.keys(signature.inputs);
  if (names.length !== 1) return undefined;
  const pair: InputTensor = { dtype: "string", shape: [2], data: ["a", "a b c d e f g h"] };
  const { feeds } = await module.prepare(name, new Map([[names[0]!, pair]]));
  const maskName = `${tokenize.as}.mask`;
  const mask = Object.entries(runStep(signature).inputs).find(([, from]) => from === maskName)?.[0];
  const pad: Proof["pad"] = {};
  for (const [input, tensor] of feeds) {
    if (tensor.dtype !== "int64" || tensor.shape.length !== 2) return undefined;
    // The short text is the first row: its last element is padding.
    pad[input] = { axis: 1, value: Number(tensor.data[(tensor.shape[1] ?? 1) - 1]) };
  }
  const masks = Object.keys(pad).filter((input) => input === mask || input.endsWith(maskName));
  return masks.some((input) => pad[input]?.value === 0) ? pad : undefined;
}

export function paddingByName(openAxes: ReadonlyMap<string, readonly string[]>): Proof["pad"] | undefined {
  const mask = [...openAxes].find(([input]) => /(^|_)mask$/i.test(input));
  const dimension = mask?.[1][1];
  if (!dimension) return undefined;
  const pad: Proof["pad"] = {};
  for (const [input, axes] of openAxes) if (axes[1] === dimension) pad[input] = { axis: 1, value: 0 };
  return pad;
}

/** Names of a session's open dimensions by input; empty where a dimension is fixed or has no name. */
export const openAxesOf = (
  inputs: readonly { name: string; shape: readonly (number | string)[] }[],
): Map<string, string[]> =>
  new Map(
    inputs.map(({ name, shape }) => [name, shape.map((size) => (typeof size === "string" ? size : ""))]),
  );

/** A request's feeds, where its steps don't pad its items together. */
export const requestFeeds = (signature: Signature, feeds: Map<string, Tensor>): Feeds[] =>
  (signature.steps ?? []).some((step) => "tokenize" in step) ? [] : [feeds];
