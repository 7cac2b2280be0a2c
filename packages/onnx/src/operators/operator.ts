import { DTYPES, type Dtype } from "@modulehub/core/dtype";
import { type ProblemError, problem } from "@modulehub/core/problem";
import type { Tensor } from "@modulehub/core/tensor";
import type { Dimension } from "../value-type.ts";
import type { GradientRule } from "./gradients/gradient.ts";

/** A tensor type as inference knows it. */
export interface Inferred {
  dtype: Dtype;
  shape: readonly Dimension[];
  /**
   * The elements, where they are known while building: of small integer tensors, which are mostly shapes. An
   * element may be a named dimension. What Shape, Gather and Concat know makes Reshape's result known.
   */
  known?: readonly Dimension[];
}

export interface AttributeValues {
  int: number | bigint;
  ints: readonly (number | bigint)[];
  float: number;
  floats: readonly number[];
  string: string;
  strings: Iterable<string>;
  tensor: Tensor;
}

export type AttributeKind = keyof AttributeValues;
/** `!` marks an attribute that must be given. */
export type AttributeSpec = AttributeKind | `${AttributeKind}!`;
export type Attributes = { readonly [name: string]: AttributeValues[AttributeKind] | undefined };

/** What a shape rule sees. */
export interface Inference {
  /** What is fed, in order; undefined where an optional input is left out. */
  inputs: readonly (Inferred | undefined)[];
  attributes: Attributes;
  /** Outputs asked for. */
  outputs: number;
}

/** One entry of the table: everything the builder knows of an operator. */
export interface Operator {
  /** "" is the default domain. */
  domain: "" | "ai.onnx.ml" | "com.microsoft";
  /** First opset of the domain in which this form of the operator exists. */
  since: number;
  /** Names of the inputs: `?` marks those that may be left out, `...` a last one that repeats. */
  inputs: readonly string[];
  /** Most outputs. */
  outputs: number;
  /** Outputs that a node must have, used or not; one unless told. */
  leastOutputs?: number;
  attributes: Readonly<Record<string, AttributeSpec>>;
  /** Further attributes, by the value with which they change nothing: exporters write them out. No other is known. */
  harmless?: Readonly<Record<string, number>>;
  /** Opset in which an input took the place of the attribute of its name; until then it is an attribute. */
  inputSince?: Readonly<Record<string, number>>;
  /** Types of the outputs; throws `graph-invalid` with a sentence where the inputs don't fit. */
  infer(inference: Inference): Inferred[];
  /** How a loss's gradient goes back through the operator; without, it can't lie between a loss and what is trained. */
  gradient?: GradientRule;
}

/** Declares an entry, keeping the literal types that the builder's methods are derived from. */
export const operator = <const I extends readonly string[], const A extends Record<string, AttributeSpec>>(
  entry: Omit<Operator, "inputs" | "attributes"> & { inputs: I; attributes: A },
) => entry;

/** The error of a shape rule. */
export const misfit = (detail: string): ProblemError => problem("graph-invalid", detail);

export const show = (shape: readonly Dimension[]): string => `[${shape.map((dim) => dim ?? "?").join(", ")}]`;

/** An input that the table says is there. */
export function given({ inputs }: Inference, index: number): Inferred {
  const input = inputs[index];
  if (!input) throw misfit(`Input ${index + 1} is missing.`);
  return input;
}

export function intAttribute({ attributes }: Inference, name: string, missing: number): number {
  const value = attributes[name];
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : missing;
}

export function intsAttribute({ attributes }: Inference, name: string): number[] | undefined {
  const value = attributes[name];
  return Array.isArray(value) ? value.map(Number) : undefined;
}

/** The axis of a rank, counted from the end where it is negative. */
export function axisOf(axis: number, rank: number): number {
  const at = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(at) || at < 0 || at >= rank)
    throw misfit(`The axis ${axis} does not exist in a tensor of rank ${rank}.`);
  return at;
}

/** Numpy's rule. Two names that differ may still be equal when the graph runs, so that their result is open. */
export function broadcast(left: readonly Dimension[], right: readonly Dimension[]): Dimension[] {
  const rank = Math.max(left.length, right.length);
  const at = (shape: readonly Dimension[], index: number): Dimension => {
    const own = index - rank + shape.length;
    return own < 0 ? 1 : (shape[own] ?? null);
  };
  return Array.from({ length: rank }, (_, index) => {
    const a = at(left, index);
    const b = at(right, index);
    if (a === b || b === 1) return a;
    if (a === 1) return b;
    if (typeof a === "number" && typeof b === "number")
      throw misfit(`The shapes ${show(left)} and ${show(right)} do not broadcast.`);
    if (typeof a === "number") return a;
    return typeof b === "number" ? b : null;
  });
}

/** Refuses two inputs of different dtype. */
export function sameDtype(inference: Inference): Dtype {
  const { dtype } = given(inference, 0);
  for (const input of inference.inputs)
    if (input && input.dtype !== dtype)
      throw misfit(`The inputs are of ${dtype} and ${input.dtype}; cast one of them.`);
  return dtype;
}

const FLOATS: readonly Dtype[] = ["float16", "float32", "float64", "bfloat16"];

export const isFloat = (dtype: Dtype): boolean => FLOATS.includes(dtype);
export const isNumeric = (dtype: Dtype): boolean =>
  dtype !== "string" && dtype !== "bool" && DTYPES[dtype].bits >= 8;

export function needFloat(input: Inferred): void {
  if (!isFloat(input.dtype)) throw misfit(`The input is of ${input.dtype}; it must be floating point.`);
}

/** The known elements of a 1-D integer input; undefined where they are made when the graph runs. */
export const knownInts = (input: Inferred | undefined): readonly Dimension[] | undefined => input?.known;

/** Known elements that are all numbers. */
export function knownNumbers(input: Inferred | undefined): number[] | undefined {
  const known = input?.known;
  return known?.every((element) => typeof element === "number") ? (known as number[]) : undefined;
}

/** Sum of dimensions; null where one is open. */
export function sumOf(dims: readonly Dimension[]): Dimension {
  let sum = 0;
  for (const dim of dims) {
    if (typeof dim !== "number") return dims.length === 1 ? dim : null;
    sum += dim;
  }
  return sum;
}
