import { DTYPES, type Dtype, dtypeOfCode } from "@modulehub/core/dtype";
import { problem } from "@modulehub/core/problem";
import { byteLength, type Tensor, tensorBytes, tensorFromBytes } from "@modulehub/core/tensor";
import { bytesSource, lazyBytes, lazyLength } from "./byte-source.ts";
import { makeMessage } from "./decode.ts";
import { decodeTexts, encodeRecords } from "./encode.ts";
import type { TensorProto } from "./schema.ts";
import { WireReader } from "./wire.ts";

/** `TensorProto.DataLocation.EXTERNAL`. */
export const EXTERNAL = 1;

/** The typed field that holds elements of a dtype where `raw_data` doesn't. Source: onnx.proto. */
export function typedField(
  dtype: Dtype,
): "floatData" | "doubleData" | "int64Data" | "uint64Data" | "int32Data" | "stringData" {
  if (dtype === "float32" || dtype === "complex64") return "floatData";
  if (dtype === "float64" || dtype === "complex128") return "doubleData";
  if (dtype === "int64") return "int64Data";
  if (dtype === "uint32" || dtype === "uint64") return "uint64Data";
  return dtype === "string" ? "stringData" : "int32Data";
}

/** A tensor as a graph holds it: raw little-endian bytes, shared with the tensor, or strings. */
export function tensorToProto(name: string, tensor: Tensor): TensorProto {
  return makeMessage("TensorProto", {
    name,
    dims: tensor.shape.map(BigInt),
    dataType: DTYPES[tensor.dtype].code,
    ...(tensor.dtype === "string"
      ? { stringData: encodeRecords("TensorProto", "stringData", tensor.data) }
      : { rawData: tensorBytes(tensor) }),
  });
}

/** More axes than any tensor that ONNX Runtime can handle. */
const MOST_AXES = 64;

/** A tensor's sizes in brackets, the first of them where there are many. */
export function shapeText({ dims }: Pick<TensorProto, "dims">): string {
  return dims.length > MOST_AXES ? `[${dims.slice(0, 8)},… (${dims.length})]` : `[${dims}]`;
}

/** The sizes of a tensor; throws `graph-invalid` where they are negative, too many, or too large to count. */
export function tensorShape(proto: TensorProto): number[] {
  if (proto.dims.length > MOST_AXES)
    throw problem("graph-invalid", `Tensor "${proto.name ?? ""}" has ${proto.dims.length} axes.`);
  let count = 1n;
  for (const dim of proto.dims) {
    count *= dim;
    if (dim < 0n || dim > BigInt(Number.MAX_SAFE_INTEGER) || count > BigInt(Number.MAX_SAFE_INTEGER))
      throw problem(
        "graph-invalid",
        `Tensor "${proto.name ?? ""}" has the impossible shape ${shapeText(proto)}.`,
      );
  }
  return proto.dims.map(Number);
}

/**
 * Reads a tensor that lies in the model into memory. Throws `graph-invalid` where its data doesn't fit its
 * shape, `external-data-missing` where the data lies in another file, which this function doesn't open.
 */
export function tensorFromProto(proto: TensorProto): Tensor {
  const dtype = dtypeOfCode(proto.dataType ?? 0);
  const name = proto.name ?? "";
  if (!dtype)
    throw problem("dtype-unsupported", `Tensor "${name}" has the unknown element type ${proto.dataType}.`);
  if (proto.dataLocation === EXTERNAL)
    throw problem("external-data-missing", `The data of tensor "${name}" lies in another file.`);
  const shape = tensorShape(proto);
  if (dtype === "string") {
    const data = [...decodeTexts(proto.stringData)];
    if (data.length !== shape.reduce((a, b) => a * b, 1))
      throw problem(
        "graph-invalid",
        `Tensor "${name}" has ${data.length} strings, which don't fit [${shape}].`,
      );
    return { dtype, shape, data };
  }
  const bytes = proto.rawData ? lazyBytes(proto.rawData) : typedBytes(proto, dtype);
  const expected = byteLength(
    dtype,
    shape.reduce((a, b) => a * b, 1),
  );
  if (bytes.byteLength !== expected)
    throw problem("graph-invalid", `Tensor "${name}" has ${bytes.byteLength} bytes, not ${expected}.`);
  return tensorFromBytes(dtype, shape, bytes);
}

/** Elements of the typed fields, brought into the raw form. */
function typedBytes(proto: TensorProto, dtype: Exclude<Dtype, "string">): Uint8Array {
  const field = typedField(dtype);
  const payload = lazyBytes(proto[field]);
  if (field === "floatData" || field === "doubleData") return payload;
  const reader = new WireReader(bytesSource(payload));
  const width = Math.ceil(DTYPES[dtype].bits / 8);
  const out: number[] = [];
  while (reader.position < payload.byteLength) {
    let value = BigInt.asUintN(64, reader.uint64(payload.byteLength));
    for (let byte = 0; byte < width; byte++) {
      out.push(Number(value & 0xffn));
      value >>= 8n;
    }
  }
  return Uint8Array.from(out);
}

/**
 * Bytes that a tensor's data takes in raw form, by its shape; null for strings and unknown element types.
 * Throws as `tensorShape`.
 */
export function rawLength(proto: TensorProto): number | null {
  const dtype = dtypeOfCode(proto.dataType ?? 0);
  if (!dtype || dtype === "string") return null;
  return byteLength(
    dtype,
    tensorShape(proto).reduce((a, b) => a * b, 1),
  );
}

/** Where the data of a tensor lies, if that is another file. Values are as written, unchecked. */
export function externalEntries(proto: TensorProto): Map<string, string> | null {
  if (proto.dataLocation !== EXTERNAL) return null;
  return new Map(proto.externalData.map((entry) => [entry.key ?? "", entry.value ?? ""]));
}

/** Bytes of a tensor's data that lie in the model file. */
export function inlineLength(proto: TensorProto): number {
  const { floatData, int32Data, int64Data, doubleData, uint64Data, stringData, rawData } = proto;
  const typed = [floatData, int32Data, int64Data, doubleData, uint64Data, stringData];
  return typed.reduce((sum, parts) => sum + lazyLength(parts), rawData?.length ?? 0);
}
