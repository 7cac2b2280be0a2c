import { bytesFromBase64 } from "./base64.ts";
import { packBits } from "./bit-packing.ts";
import { DTYPES, type Dtype } from "./dtype.ts";
import { problem } from "./problem.ts";
import type { TensorSpec } from "./signature.ts";
import { bfloat16FromNumber, type SmallFloat, smallFloatCode } from "./small-floats.ts";
import { elementCount, type InputTensor, type Tensor } from "./tensor.ts";

const MAX_RANK = 32;

/**
 * Reads an input that a caller gave in JSON, against what the signature says of it: a nested array, or
 * `{dtype?, shape?, data}` with data flat or nested; forms of elements as in `tensorToJson`, images as
 * `{"b64"}`. `path` is its place in the request, for errors. Nothing is allocated for a claimed shape before
 * the data has been seen to fill it. Throws `tensor-invalid` (or `dtype-unsupported`) naming the place and
 * the rule: another dtype, rank or size than declared, ragged arrays, elements that the dtype can't hold.
 */
export function tensorFromJson(value: unknown, spec: TensorSpec, path: string): InputTensor {
  let nested = value;
  let place = path;
  let declared: number[] | undefined;
  if (isTypedForm(value)) {
    if (value.dtype !== undefined && value.dtype !== spec.dtype)
      throw fault(path, `has another dtype than the signature says, which is ${spec.dtype}`);
    declared = declaredShape(value.shape, path);
    nested = value.data;
    place = `${path}.data`;
  }
  const found = nestedShape(nested, place, spec.dtype === "image");
  const shape = declared ?? found;
  if (declared && !isFlatFormOf(found, declared) && !sameShape(found, declared))
    throw fault(path, `has shape [${declared}], but its data has shape [${found}]`);
  checkShape(shape, spec, path);
  const elements = flatten(nested, found, place);
  const refuse: Refuse = (index, rule) => {
    throw fault(elementPlace(place, found, index), rule);
  };
  if (spec.dtype === "image") return { dtype: "image", shape, data: imageElements(elements, refuse) };
  return fill(spec.dtype, shape, elements, refuse);
}

/** Throws `tensor-invalid` where a shape does not fit the declared one; named dimensions fit any number. */
export function checkShape(shape: readonly number[], spec: TensorSpec, path: string): void {
  const declared = `[${spec.shape.join(", ")}]`;
  if (shape.length !== spec.shape.length)
    throw fault(path, `has ${shape.length} dimensions ([${shape}]), but the signature says ${declared}`);
  for (const [axis, dimension] of spec.shape.entries())
    if (typeof dimension === "number" && shape[axis] !== dimension)
      throw fault(path, `has shape [${shape}], but the signature says ${declared}`);
}

function isTypedForm(value: unknown): value is { dtype?: unknown; shape?: unknown; data: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.hasOwn(value, "data");
}

const isDimension = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

function declaredShape(shape: unknown, path: string): number[] | undefined {
  if (shape === undefined) return undefined;
  if (!Array.isArray(shape) || shape.length > MAX_RANK || !shape.every(isDimension))
    throw fault(path, `must have a shape that is a list of at most ${MAX_RANK} integers from 0 up`);
  return shape;
}

const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((dimension, axis) => dimension === b[axis]);

const isFlatFormOf = (found: readonly number[], declared: readonly number[]): boolean =>
  found.length === 1 && found[0] === elementCount(declared);

/** The shape told by the first element at every depth; `flatten` checks that all the others agree. */
function nestedShape(value: unknown, path: string, images: boolean): number[] {
  const shape: number[] = [];
  let inner = value;
  while (Array.isArray(inner)) {
    if (shape.length >= MAX_RANK) throw fault(path, `is nested more than ${MAX_RANK} deep`);
    shape.push(inner.length);
    if (inner.length === 0) break;
    inner = inner[0];
  }
  if (typeof inner === "object" && inner !== null && !Array.isArray(inner) && !images)
    throw fault(path, "must be nested arrays, or an object with dtype, shape and data");
  return shape;
}

function flatten(value: unknown, shape: readonly number[], path: string): unknown[] {
  if (shape.length === 0) return [value];
  if (shape.length === 1 && Array.isArray(value)) return value;
  const out: unknown[] = [];
  const walk = (inner: unknown, axis: number): void => {
    if (!Array.isArray(inner) || inner.length !== shape[axis])
      throw fault(
        path,
        `is ragged: on axis ${axis}, every list must have ${shape[axis]} elements, as the first`,
      );
    if (axis === shape.length - 1) for (const element of inner) out.push(element);
    else for (const row of inner) walk(row, axis + 1);
  };
  walk(value, 0);
  return out;
}

/** Where in the nested arrays the element of a flat index stands, as `inputs.x[1][3]`. */
function elementPlace(path: string, shape: readonly number[], index: number): string {
  const indices: number[] = [];
  let rest = index;
  for (const dimension of shape.toReversed()) {
    indices.unshift(rest % dimension);
    rest = Math.floor(rest / dimension);
  }
  return path + indices.map((i) => `[${i}]`).join("");
}

type Refuse = (index: number, rule: string) => never;

function imageElements(elements: unknown[], refuse: Refuse): Uint8Array[] {
  return elements.map((element, index) => {
    const text =
      typeof element === "object" && element !== null && "b64" in element ? element.b64 : undefined;
    const bytes = typeof text === "string" ? bytesFromBase64(text) : undefined;
    return bytes?.length ? bytes : refuse(index, 'must be {"b64": "…"}, an image file in base64');
  });
}

function fill(dtype: Dtype, shape: number[], elements: unknown[], refuse: Refuse): Tensor {
  const each = <T>(convert: (element: unknown) => T | undefined, rule: string): T[] =>
    elements.map((element, index) => convert(element) ?? refuse(index, rule));
  const floats = (limit: number) => each(floatBelow(limit), `must be ${FLOAT_RULE} that ${dtype} holds`);
  const integers = () => {
    const [low, high] = rangeOf(dtype);
    return each(integerFrom(low, high), `must be an integer from ${low} to ${high}`);
  };
  const bigints = () =>
    each(bigintOf(dtype), `must be an integer that ${dtype} holds; beyond 2^53 as a decimal string`);
  const codes = (float: SmallFloat) =>
    each((element) => smallFloatOf(float, element), `must be ${FLOAT_RULE} that ${float} holds`);
  switch (dtype) {
    case "string":
      return { dtype, shape, data: strings(elements, refuse) };
    case "bool":
      return { dtype, shape, data: new Uint8Array(each(bitOf, "must be true or false")) };
    case "float32":
      return { dtype, shape, data: new Float32Array(floats(OVERFLOW.float32)) };
    case "float64":
      return { dtype, shape, data: new Float64Array(floats(Number.POSITIVE_INFINITY)) };
    case "float16": {
      const half = new Float16Array(floats(OVERFLOW.float16));
      return { dtype, shape, data: new Uint16Array(half.buffer) };
    }
    case "bfloat16":
      return { dtype, shape, data: new Uint16Array(floats(OVERFLOW.bfloat16).map(bfloat16FromNumber)) };
    case "int64":
      return { dtype, shape, data: new BigInt64Array(bigints()) };
    case "uint64":
      return { dtype, shape, data: new BigUint64Array(bigints()) };
    case "int32":
      return { dtype, shape, data: new Int32Array(integers()) };
    case "uint32":
      return { dtype, shape, data: new Uint32Array(integers()) };
    case "int16":
      return { dtype, shape, data: new Int16Array(integers()) };
    case "uint16":
      return { dtype, shape, data: new Uint16Array(integers()) };
    case "int8":
      return { dtype, shape, data: new Int8Array(integers()) };
    case "uint8":
      return { dtype, shape, data: new Uint8Array(integers()) };
    case "int4":
    case "uint4":
    case "int2":
    case "uint2": {
      const { bits } = DTYPES[dtype];
      const unsigned = integers().map((value) => value & (2 ** bits - 1));
      return { dtype, shape, data: packBits(unsigned, bits) };
    }
    case "float4e2m1":
      return { dtype, shape, data: packBits(codes(dtype), DTYPES[dtype].bits) };
    case "float8e4m3fn":
    case "float8e4m3fnuz":
    case "float8e5m2":
    case "float8e5m2fnuz":
    case "float8e8m0":
      return { dtype, shape, data: new Uint8Array(codes(dtype)) };
    case "complex64":
    case "complex128":
      throw problem("dtype-unsupported", `The input is ${dtype}, and complex tensors have no JSON form.`);
  }
}

const FLOAT_RULE = 'a number, or "NaN", "Infinity" or "-Infinity",';

/** The first numbers that would round to infinity (the largest and half a step): refused, never made infinite. */
const OVERFLOW = {
  float32: 2 ** 128 - 2 ** 103,
  float16: 65520,
  bfloat16: 2 ** 128 - 2 ** 119,
};

const floatBelow =
  (limit: number) =>
  (element: unknown): number | undefined => {
    if (typeof element !== "number") return nonFiniteOf(element);
    return Number.isFinite(element) && Math.abs(element) >= limit ? undefined : element;
  };

/** JSON has no number for these. */
function nonFiniteOf(element: unknown): number | undefined {
  return element === "NaN" || element === "Infinity" || element === "-Infinity" ? Number(element) : undefined;
}

function smallFloatOf(dtype: SmallFloat, element: unknown): number | undefined {
  const value = typeof element === "number" ? element : nonFiniteOf(element);
  return value === undefined ? undefined : smallFloatCode(dtype, value);
}

const bitOf = (element: unknown): number | undefined =>
  typeof element === "boolean" ? Number(element) : undefined;

function rangeOf(dtype: Dtype): [low: number, high: number] {
  const { bits } = DTYPES[dtype];
  return dtype.startsWith("int") ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

const integerFrom =
  (low: number, high: number) =>
  (element: unknown): number | undefined =>
    typeof element === "number" && Number.isInteger(element) && element >= low && element <= high
      ? element
      : undefined;

const bigintOf =
  (dtype: Dtype) =>
  (element: unknown): bigint | undefined => {
    let value: bigint;
    if (typeof element === "number" && Number.isSafeInteger(element)) value = BigInt(element);
    else if (typeof element === "string" && /^-?\d{1,20}$/.test(element)) value = BigInt(element);
    else return undefined;
    const held = dtype === "int64" ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value);
    return held === value ? value : undefined;
  };

function strings(elements: unknown[], refuse: Refuse): string[] {
  return elements.map((element, index) => {
    if (typeof element !== "string") return refuse(index, "must be a string");
    if (element.includes("\0")) refuse(index, "holds a NUL character, where ONNX Runtime would cut it");
    if (!element.isWellFormed()) refuse(index, "holds half of a surrogate pair, which UTF-8 can't carry");
    return element;
  });
}

const fault = (path: string, rule: string) =>
  problem("tensor-invalid", `${path} ${rule}.`, { errors: [{ path, message: rule }] });
