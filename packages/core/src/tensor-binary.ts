import { z } from "zod";
import { DTYPES, type Dtype, dtypeOfWire } from "./dtype.ts";
import { problem } from "./problem.ts";
import type { TensorSpec } from "./signature.ts";
import { binaryBytes, elementCount, type InputTensor, type Tensor, tensorFromBytes } from "./tensor.ts";
import { checkShape, tensorFromJson } from "./tensor-from-json.ts";
import { tensorToJson } from "./tensor-to-json.ts";

/**
 * The binary form of inference: exactly the Open Inference Protocol's (KServe v2, "binary tensor data
 * extension"). A JSON header whose length is in `Inference-Header-Content-Length`, then the tensors' bytes
 * in its order, little-endian; an element of BYTES is a u32 length and that many bytes.
 */

const parameters = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional();

/** The JSON header of a request. */
export const binaryRequestSchema = z.object({
  id: z.string().max(256).optional(),
  parameters,
  inputs: z
    .array(
      z.object({
        name: z.string(),
        shape: z.array(z.int().min(0)).max(32),
        datatype: z.string(),
        parameters,
        data: z.unknown().optional(),
      }),
    )
    .max(256),
  outputs: z
    .array(z.object({ name: z.string(), parameters }))
    .max(256)
    .optional(),
});
export type BinaryRequest = z.infer<typeof binaryRequestSchema>;

/**
 * The inputs of a request, from its parsed header and the bytes after it. `specs` are the signature's
 * inputs; names it lacks are `input-unknown`. Throws `tensor-invalid` where sizes, names of datatypes or
 * shapes do not fit, or bytes are left over.
 */
export function inputsFromBinary(
  header: BinaryRequest,
  bytes: Uint8Array,
  specs: Readonly<Record<string, TensorSpec>>,
): Map<string, InputTensor> {
  const inputs = new Map<string, InputTensor>();
  let offset = 0;
  for (const input of header.inputs) {
    const path = `inputs.${input.name.slice(0, 100)}`;
    const spec = Object.hasOwn(specs, input.name) ? specs[input.name] : undefined;
    if (!spec) throw problem("input-unknown", `The signature has no input ${input.name.slice(0, 100)}.`);
    if (inputs.has(input.name)) throw problem("tensor-invalid", `${path} is given twice.`);
    const dtype = dtypeOfWire(input.datatype);
    if (dtype === undefined || (dtype !== spec.dtype && !(spec.dtype === "image" && dtype === "string")))
      throw problem(
        "tensor-invalid",
        `${path} has datatype ${input.datatype.slice(0, 40)}, but the signature says ${spec.dtype}.`,
      );
    const size = input.parameters?.binary_data_size;
    if (size === undefined) {
      if (input.data === undefined)
        throw problem("tensor-invalid", `${path} has neither data nor a binary_data_size.`);
      const data = { shape: input.shape, data: input.data };
      inputs.set(input.name, tensorFromJson(data, spec, path));
      continue;
    }
    if (
      typeof size !== "number" ||
      !Number.isSafeInteger(size) ||
      size < 0 ||
      offset + size > bytes.byteLength
    )
      throw problem("tensor-invalid", `${path} has a binary_data_size beyond the end of the body.`);
    checkShape(input.shape, spec, path);
    inputs.set(input.name, readTensor(spec.dtype, input.shape, bytes.subarray(offset, offset + size), path));
    offset += size;
  }
  if (offset !== bytes.byteLength)
    throw problem("tensor-invalid", `The body has ${bytes.byteLength - offset} bytes that no input claims.`);
  return inputs;
}

function readTensor(dtype: Dtype | "image", shape: number[], bytes: Uint8Array, path: string): InputTensor {
  if (dtype === "image") return { dtype, shape, data: readElements(bytes, elementCount(shape), path) };
  if (dtype === "string") {
    // Otherwise a byte order mark, which belongs to the text, would be dropped.
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const data = readElements(bytes, elementCount(shape), path).map((element, index) => {
      if (element.includes(0))
        throw problem("tensor-invalid", `${path}[${index}] holds a NUL, where ONNX Runtime would cut it.`);
      try {
        return decoder.decode(element);
      } catch (cause) {
        throw problem("tensor-invalid", `${path}[${index}] is not UTF-8.`, { cause });
      }
    });
    return { dtype, shape, data };
  }
  return tensorFromBytes(dtype, shape, bytes, path);
}

function readElements(bytes: Uint8Array, count: number, path: string): Uint8Array[] {
  // Before anything is allocated for the count.
  if (count * 4 > bytes.byteLength)
    throw problem("tensor-invalid", `${path} has fewer bytes than its shape needs.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const elements: Uint8Array[] = [];
  let offset = 0;
  for (let index = 0; index < count; index++) {
    const end = offset + 4 <= bytes.byteLength ? offset + 4 + view.getUint32(offset, true) : Infinity;
    if (end > bytes.byteLength) throw problem("tensor-invalid", `${path}[${index}] ends beyond the tensor.`);
    elements.push(bytes.subarray(offset + 4, end));
    offset = end;
  }
  if (offset !== bytes.byteLength)
    throw problem("tensor-invalid", `${path} has more bytes than its shape needs.`);
  return elements;
}

/** An answer of the protocol: what goes into the header's JSON, and the bytes after it. */
export interface BinaryResponse {
  header: Uint8Array;
  chunks: Uint8Array[];
}

/**
 * Outputs in the protocol's form. `binary` says for each whether its bytes follow the header or its numbers
 * stand in it. Throws `dtype-unsupported` for a dtype that the protocol has no name for.
 */
export function outputsToBinary(
  outputs: ReadonlyMap<string, Tensor>,
  fields: Record<string, unknown>,
  binary: (name: string) => boolean,
): BinaryResponse {
  const chunks: Uint8Array[] = [];
  const list = [...outputs].map(([name, tensor]) => {
    const datatype = DTYPES[tensor.dtype].wire;
    if (datatype === null)
      throw problem(
        "dtype-unsupported",
        `Output ${name} is ${tensor.dtype}, which the protocol can't carry.`,
      );
    const entry = { name, shape: tensor.shape, datatype };
    if (!binary(name)) return { ...entry, data: tensorToJson(tensor).data };
    const bytes = binaryBytes(tensor);
    chunks.push(bytes);
    return { ...entry, parameters: { binary_data_size: bytes.byteLength } };
  });
  return { header: new TextEncoder().encode(JSON.stringify({ ...fields, outputs: list })), chunks };
}
