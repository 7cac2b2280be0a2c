import { type Dtype, elementCount, type Tensor, zeros } from "@modulehub/core";

/** Cutting, joining and padding tensors along an axis. Inputs are never changed. */

/** Elements in one row of everything after the axis. */
const rowLength = (shape: readonly number[], axis: number): number => elementCount(shape.slice(axis + 1));

/** Copies `length` elements; the caller has seen that both are of one dtype. */
function copy(from: Tensor, start: number, to: Tensor, at: number, length: number): void {
  if (from.dtype === "string" || to.dtype === "string") {
    const source = from.data as string[];
    const target = to.data as string[];
    for (let index = 0; index < length; index++) target[at + index] = source[start + index]!;
    return;
  }
  const target = to.data as { set(source: ArrayLike<unknown>, offset: number): void };
  target.set(from.data.subarray(start, start + length), at);
}

/** `count` rows from `start` along an axis. Dtypes of less than a byte can't be cut; the runtime takes none. */
export function slice(tensor: Tensor, axis: number, start: number, count: number): Tensor {
  const size = tensor.shape[axis] ?? 0;
  if (start === 0 && count === size) return tensor;
  const row = rowLength(tensor.shape, axis);
  const outer = elementCount(tensor.shape.slice(0, axis));
  const result = zeros(tensor.dtype, tensor.shape.with(axis, count));
  for (let block = 0; block < outer; block++)
    copy(tensor, (block * size + start) * row, result, block * count * row, count * row);
  return result;
}

/** Tensors one after the other along an axis. All other dimensions and the dtypes must agree. */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  const [first, ...others] = tensors;
  if (!first) throw new RangeError("nothing to join");
  if (others.length === 0) return first;
  const total = tensors.reduce((sum, { shape }) => sum + (shape[axis] ?? 0), 0);
  const result = zeros(first.dtype, first.shape.with(axis, total));
  const row = rowLength(first.shape, axis);
  const outer = elementCount(first.shape.slice(0, axis));
  let offset = 0;
  for (const tensor of tensors) {
    if (!joinable(first, tensor, axis)) throw new RangeError("tensors that differ can't be joined");
    const part = (tensor.shape[axis] ?? 0) * row;
    for (let block = 0; block < outer; block++)
      copy(tensor, block * part, result, block * total * row + offset, part);
    offset += part;
  }
  return result;
}

/** Whether two tensors differ in nothing but their size along the axis. */
function joinable(a: Tensor, b: Tensor, axis: number): boolean {
  return (
    a.dtype === b.dtype &&
    a.shape.length === b.shape.length &&
    a.shape.every((dimension, index) => index === axis || dimension === b.shape[index])
  );
}

/** The tensor with `length` rows along an axis, those added holding `value`. */
export function pad(tensor: Tensor, axis: number, length: number, value: number | string): Tensor {
  const size = tensor.shape[axis] ?? 0;
  if (size >= length) return tensor;
  return concat([tensor, filled(tensor.dtype, tensor.shape.with(axis, length - size), value)], axis);
}

/** A tensor of one value. For 16-bit floats the value is their bit pattern. */
export function filled(dtype: Dtype, shape: number[], value: number | string): Tensor {
  const tensor = zeros(dtype, shape);
  if (tensor.dtype === "string") tensor.data.fill(String(value));
  else if (tensor.dtype === "int64" || tensor.dtype === "uint64") tensor.data.fill(BigInt(value));
  else tensor.data.fill(Number(value));
  return tensor;
}
