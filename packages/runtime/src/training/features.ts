import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { problem } from "@modulehub/core/problem";
import type { Tensor } from "@modulehub/core/tensor";
import type { Features } from "./contract.ts";

/** Files up to this are read into memory at once; of larger ones the rows of each batch are read. */
const IN_MEMORY_BYTES = 512 << 20;

/** Features in memory, row-major. */
export function denseFeatures(values: Float32Array, width: number): Features {
  return {
    examples: values.length / width,
    feeds: (examples) =>
      rowsTensor(examples, width, (example, into) =>
        into.set(values.subarray(example * width, (example + 1) * width)),
      ),
  };
}

/** Features in a file of little-endian float32, row-major, to be closed. Throws `asset-invalid` for parts of rows. */
export function openFeatures(path: string, width: number, inMemory = IN_MEMORY_BYTES): Features & Disposable {
  const descriptor = openSync(path, "r");
  const { size } = fstatSync(descriptor);
  const close = { [Symbol.dispose]: () => closeSync(descriptor) };
  const examples = size / (4 * width);
  if (!Number.isInteger(examples)) {
    closeSync(descriptor);
    throw problem("asset-invalid", `${size} bytes are no whole rows of ${width} numbers.`);
  }
  if (size <= inMemory) {
    const values = new Float32Array(examples * width);
    readWhole(descriptor, bytesOf(values), 0);
    return { ...denseFeatures(values, width), ...close };
  }
  return {
    examples,
    feeds: (wanted) =>
      rowsTensor(wanted, width, (example, into) => readWhole(descriptor, bytesOf(into), example * width * 4)),
    ...close,
  };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

function readWhole(descriptor: number, into: Uint8Array, position: number): void {
  for (let done = 0; done < into.length; ) {
    const count = readSync(descriptor, into, done, Math.min(into.length - done, 1 << 30), position + done);
    if (count === 0) throw problem("asset-invalid", "The file of features became shorter while it was read.");
    done += count;
  }
}

function rowsTensor(
  examples: Uint32Array,
  width: number,
  read: (example: number, into: Float32Array) => void,
): Map<string, Tensor> {
  const data = new Float32Array(examples.length * width);
  for (const [at, example] of examples.entries()) read(example, data.subarray(at * width, (at + 1) * width));
  return new Map([["features", { dtype: "float32", shape: [examples.length, width], data }]]);
}

/** Mean and deviation of each feature over some examples, for heads that standardise; in two passes, in float64. */
export function featureScaling(
  features: Features,
  width: number,
  examples: Uint32Array,
): { mean: Float32Array; deviation: Float32Array } {
  const mean = new Float64Array(width);
  const squares = new Float64Array(width);
  const each = (visit: (value: number, feature: number) => void) => {
    for (let start = 0; start < examples.length; start += 1024) {
      const tensor = features.feeds(examples.subarray(start, start + 1024)).get("features");
      if (tensor?.dtype !== "float32") throw new TypeError("There are no features.");
      for (const [at, value] of tensor.data.entries()) visit(value, at % width);
    }
  };
  each((value, feature) => {
    mean[feature]! += value / examples.length;
  });
  each((value, feature) => {
    squares[feature]! += (value - mean[feature]!) ** 2 / examples.length;
  });
  return { mean: Float32Array.from(mean), deviation: Float32Array.from(squares, Math.sqrt) };
}
