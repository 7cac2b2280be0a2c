import { DTYPES, type Dtype } from "./dtype.ts";
import type { TensorSpec } from "./manifest.ts";
import { problem } from "./problem.ts";
import { type SmallFloat, smallFloatCode, smallFloatTable } from "./small-floats.ts";
import { byteLength, elementCount, type Tensor, tensorFromBytes, zeros } from "./tensor.ts";

/**
 * Tensors as JSON. In: a nested array, or `{dtype, shape, data}` with data flat or nested. Out: the latter,
 * flat and row-major. Without loss: 64-bit integers beyond 2^53 are decimal strings, non-finite floats the
 * strings "NaN", "Infinity", "-Infinity", 16-bit, 8-bit and 4-bit numbers are plain numbers. Complex tensors
 * have no form.
 */
export interface JsonTensor {
  dtype: Dtype;
  shape: number[];
  data: (number | string | boolean)[];
}

/** Encoded images, an element each: the pseudo-dtype `image`. */
export interface ImageTensor {
  dtype: "image";
  shape: number[];
  data: Uint8Array[];
}

/** What an input of a signature may be given. */
export type InputTensor = Tensor | ImageTensor;

const MAX_RANK = 32;

/** A tensor in JSON form, which `JSON.stringify` takes. Throws `dtype-unsupported` for complex ones. */
export function tensorToJson(tensor: Tensor): JsonTensor {
  return { dtype: tensor.dtype, shape: tensor.shape, data: jsonElements(tensor) };
}

function jsonElements(tensor: Tensor): (number | string | boolean)[] {
  switch (tensor.dtype) {
    case "string":
      return tensor.data;
    case "bool":
      return Array.from(tensor.data, (value) => value !== 0);
    case "int64":
    case "uint64":
      return Array.from(tensor.data as Iterable<bigint>, (value) => {
        const number = Number(value);
        return Number.isSafeInteger(number) ? number : value.toString();
      });
    case "float32":
    case "float64":
      return Array.from(tensor.data, jsonNumber);
    case "float16":
      return Array.from(
        new Float16Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.length),
        jsonNumber,
      );
    case "bfloat16":
      return Array.from(tensor.data, (bits) => jsonNumber(bfloat16ToNumber(bits)));
    case "complex64":
    case "complex128":
      throw problem("dtype-unsupported", "Complex tensors have no JSON form.");
    case "uint4":
    case "int4":
    case "uint2":
    case "int2":
    case "float4e2m1": {
      const codes = unpack(tensor.data, elementCount(tensor.shape), DTYPES[tensor.dtype].bits);
      if (tensor.dtype === "float4e2m1") return codes.map((code) => smallFloatTable("float4e2m1")[code]!);
      if (tensor.dtype === "uint4" || tensor.dtype === "uint2") return codes;
      const half = 2 ** (DTYPES[tensor.dtype].bits - 1);
      return codes.map((code) => (code >= half ? code - 2 * half : code));
    }
    case "float8e4m3fn":
    case "float8e4m3fnuz":
    case "float8e5m2":
    case "float8e5m2fnuz":
    case "float8e8m0": {
      const table = smallFloatTable(tensor.dtype);
      return Array.from(tensor.data, (code) => jsonNumber(table[code]!));
    }
    default:
      return Array.from(tensor.data);
  }
}

const jsonNumber = (value: number): number | string => (Number.isFinite(value) ? value : String(value));

/**
 * Reads an input that a caller gave in JSON, against what the signature says of it. `path` is its place in
 * the request, for errors. Throws `tensor-invalid` (or `dtype-unsupported`) naming the place and the rule:
 * another dtype, rank or size than declared, ragged arrays, elements that the dtype can't hold.
 */
export function tensorFromJson(value: unknown, spec: TensorSpec, path: string): InputTensor {
  let nested = value;
  let declared: number[] | undefined;
  if (isTypedForm(value)) {
    if (value.dtype !== undefined && value.dtype !== spec.dtype)
      throw fault(
        path,
        `has dtype ${String(value.dtype).slice(0, 40)}, but the signature says ${spec.dtype}`,
      );
    declared = declaredShape(value.shape, path);
    nested = value.data;
  }
  const found = nestedShape(nested, path, spec.dtype === "image");
  const shape = declared ?? found;
  if (declared && !(found.length === 1 && found[0] === elementCount(declared)) && !sameShape(found, declared))
    throw fault(path, `has shape [${declared}], but its data has shape [${found}]`);
  checkShape(shape, spec, path);
  if (spec.dtype === "image")
    return { dtype: "image", shape, data: flatten(nested, found, path).map(imageBytes(path)) };
  return fill(spec.dtype, shape, flatten(nested, found, path), path);
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

function declaredShape(shape: unknown, path: string): number[] | undefined {
  if (shape === undefined) return undefined;
  if (
    !Array.isArray(shape) ||
    shape.length > MAX_RANK ||
    !shape.every((d) => Number.isSafeInteger(d) && d >= 0)
  )
    throw fault(path, `must have a shape that is a list of at most ${MAX_RANK} integers from 0 up`);
  return shape as number[];
}

const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((dimension, axis) => dimension === b[axis]);

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
  const out: unknown[] = [];
  const walk = (inner: unknown, axis: number, place: string): void => {
    if (!Array.isArray(inner) || inner.length !== shape[axis])
      throw fault(place, `is ragged: a list of ${shape[axis]} was expected, as in the first row`);
    if (axis === shape.length - 1) for (const element of inner) out.push(element);
    else
      for (let index = 0; index < inner.length; index++) walk(inner[index], axis + 1, `${place}[${index}]`);
  };
  walk(value, 0, path);
  return out;
}

const imageBytes =
  (path: string) =>
  (element: unknown, index: number): Uint8Array => {
    const text =
      typeof element === "object" && element !== null && "b64" in element ? element.b64 : undefined;
    if (typeof text !== "string" || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(text) || text.length === 0)
      throw fault(`${path}[${index}]`, 'must be {"b64": "…"}, an image file in base64');
    return Buffer.from(text, "base64");
  };

/** What each kind of dtype takes as an element; undefined where it can't hold the value. */
function fill(dtype: Dtype, shape: number[], elements: unknown[], path: string): Tensor {
  const refuse = (index: number, rule: string): never => {
    throw fault(`${path}[${index}]`, rule);
  };
  if (dtype === "string") {
    for (const [index, element] of elements.entries()) {
      if (typeof element !== "string") refuse(index, "must be a string");
      const text = element as string;
      if (text.includes("\0")) refuse(index, "holds a NUL character, where ONNX Runtime would cut it");
      if (!text.isWellFormed()) refuse(index, "holds half of a surrogate pair, which UTF-8 can't carry");
    }
    return { dtype, shape, data: elements as string[] };
  }
  const tensor = zeros(dtype, shape);
  switch (tensor.dtype) {
    case "bool":
      for (const [index, element] of elements.entries()) {
        if (typeof element !== "boolean") refuse(index, "must be true or false");
        tensor.data[index] = element ? 1 : 0;
      }
      return tensor;
    case "float32":
    case "float64":
      for (let index = 0; index < elements.length; index++)
        tensor.data[index] = floatOf(elements[index]) ?? refuse(index, FLOAT_RULE);
      return tensor;
    case "float16": {
      const view = new Float16Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.length);
      for (let index = 0; index < elements.length; index++)
        view[index] = floatOf(elements[index]) ?? refuse(index, FLOAT_RULE);
      return tensor;
    }
    case "bfloat16":
      for (let index = 0; index < elements.length; index++)
        tensor.data[index] = bfloat16FromNumber(floatOf(elements[index]) ?? refuse(index, FLOAT_RULE));
      return tensor;
    case "int64":
    case "uint64":
      for (let index = 0; index < elements.length; index++)
        tensor.data[index] =
          bigOf(elements[index], dtype === "int64") ??
          refuse(index, `must be an integer that ${dtype} holds; beyond 2^53 as a decimal string`);
      return tensor;
    case "complex64":
    case "complex128":
      throw problem("dtype-unsupported", `${path} is complex, which has no JSON form.`);
    case "float8e4m3fn":
    case "float8e4m3fnuz":
    case "float8e5m2":
    case "float8e5m2fnuz":
    case "float8e8m0":
    case "float4e2m1":
      return packed(tensor, elements, (element) => smallFloatOf(tensor.dtype as SmallFloat, element), refuse);
    default: {
      const { bits } = DTYPES[dtype];
      const signed = dtype.startsWith("int");
      const low = signed ? -(2 ** (bits - 1)) : 0;
      const high = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
      const integer = (element: unknown) =>
        Number.isInteger(element) && (element as number) >= low && (element as number) <= high
          ? (element as number)
          : undefined;
      if (bits < 8) return packed(tensor, elements, (e) => wrap(integer(e), bits), refuse);
      const data = tensor.data as Int32Array;
      for (let index = 0; index < elements.length; index++)
        data[index] = integer(elements[index]) ?? refuse(index, `must be an integer from ${low} to ${high}`);
      return tensor;
    }
  }
}

const FLOAT_RULE = 'must be a number, or "NaN", "Infinity" or "-Infinity"';

function packed(
  tensor: Tensor,
  elements: unknown[],
  code: (element: unknown) => number | undefined,
  refuse: (index: number, rule: string) => never,
): Tensor {
  const dtype = tensor.dtype as Exclude<Dtype, "string">;
  const { bits } = DTYPES[dtype];
  const bytes = new Uint8Array(byteLength(dtype, elements.length));
  for (let index = 0; index < elements.length; index++) {
    const value = code(elements[index]) ?? refuse(index, `must be a number that ${dtype} holds`);
    const bit = index * bits;
    bytes[bit >> 3]! |= value << (bit & 7);
  }
  return tensorFromBytes(dtype, tensor.shape, bytes);
}

/** Elements of less than a byte, low bits first. */
function unpack(bytes: Uint8Array, count: number, bits: number): number[] {
  const mask = 2 ** bits - 1;
  return Array.from(
    { length: count },
    (_, index) => (bytes[(index * bits) >> 3]! >> ((index * bits) & 7)) & mask,
  );
}

const wrap = (value: number | undefined, bits: number): number | undefined =>
  value === undefined ? undefined : value & (2 ** bits - 1);

function floatOf(element: unknown): number | undefined {
  if (typeof element === "number") return element;
  if (element === "NaN" || element === "Infinity" || element === "-Infinity") return Number(element);
  return undefined;
}

function smallFloatOf(dtype: SmallFloat, element: unknown): number | undefined {
  const value = floatOf(element);
  return value === undefined ? undefined : smallFloatCode(dtype, value);
}

function bigOf(element: unknown, signed: boolean): bigint | undefined {
  let value: bigint;
  if (typeof element === "number" && Number.isSafeInteger(element)) value = BigInt(element);
  else if (typeof element === "string" && /^-?\d{1,20}$/.test(element)) value = BigInt(element);
  else return undefined;
  return (signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value)) === value ? value : undefined;
}

const word = new Uint32Array(1);
const wordAsFloat = new Float32Array(word.buffer);

function bfloat16ToNumber(bits: number): number {
  word[0] = bits << 16;
  return wordAsFloat[0]!;
}

/** The upper half of a float32, rounded to nearest, ties to even; NaN stays NaN. */
function bfloat16FromNumber(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  wordAsFloat[0] = value;
  const bits = word[0]!;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

const fault = (path: string, rule: string) =>
  problem("tensor-invalid", `${path} ${rule}.`, { errors: [{ path, message: rule }] });
