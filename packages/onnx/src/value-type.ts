import { DTYPES, type Dtype, dtypeOfCode } from "@modulehub/core/dtype";
import { makeMessage } from "./decode.ts";
import type { TensorShapeProto, TypeProto, ValueInfoProto } from "./schema.ts";

/** A size, the name of one that may vary, or null where nothing is said. */
export type Dimension = number | string | null;

/** What a value of a graph is. The shape is null where the graph says nothing about its rank. */
export type ValueType =
  | { kind: "tensor"; dtype: Dtype; shape: Dimension[] | null }
  /** A type that can't be served; `text` is for people, such as `sequence(map(int64, float32))`. */
  | { kind: "sequence" | "map" | "optional" | "sparse" | "opaque" | "unknown"; text: string };

const element = (code: number | undefined): string => dtypeOfCode(code ?? 0) ?? `type ${code ?? 0}`;

const text = (type: TypeProto | undefined): string => {
  const described = valueType(type);
  return described.kind === "tensor" ? described.dtype : described.text;
};

/** Reads a type. One that is missing, or of an element type newer than our table, is `unknown`. */
export function valueType(type: TypeProto | undefined): ValueType {
  if (type?.tensorType) {
    const { elemType, shape } = type.tensorType;
    const dtype = dtypeOfCode(elemType ?? 0);
    if (dtype) return { kind: "tensor", dtype, shape: shape ? shapeOf(shape) : null };
    return { kind: "unknown", text: `tensor of ${element(elemType)}` };
  }
  if (type?.sequenceType) return { kind: "sequence", text: `sequence(${text(type.sequenceType.elemType)})` };
  if (type?.mapType)
    return { kind: "map", text: `map(${element(type.mapType.keyType)}, ${text(type.mapType.valueType)})` };
  if (type?.optionalType) return { kind: "optional", text: `optional(${text(type.optionalType.elemType)})` };
  if (type?.sparseTensorType)
    return { kind: "sparse", text: `sparse(${element(type.sparseTensorType.elemType)})` };
  if (type?.opaqueType) return { kind: "opaque", text: "opaque" };
  return { kind: "unknown", text: "unknown" };
}

/** Old exporters wrote -1 for sizes that vary. */
function shapeOf(shape: TensorShapeProto): Dimension[] {
  return shape.dim.map((dim) => {
    if (dim.dimValue !== undefined) return dim.dimValue < 0n ? null : Number(dim.dimValue);
    return dim.dimParam || null;
  });
}

/** The declaration of a tensor, as graphs hold it for inputs and outputs. */
export function tensorValue(name: string, dtype: Dtype, shape: readonly Dimension[] | null): ValueInfoProto {
  const dim = shape?.map((dimension) =>
    makeMessage("TensorShapeProtoDimension", {
      ...(typeof dimension === "number" && { dimValue: BigInt(dimension) }),
      ...(typeof dimension === "string" && { dimParam: dimension }),
    }),
  );
  return makeMessage("ValueInfoProto", {
    name,
    type: makeMessage("TypeProto", {
      tensorType: makeMessage("TypeProtoTensor", {
        elemType: DTYPES[dtype].code,
        ...(dim && { shape: makeMessage("TensorShapeProto", { dim }) }),
      }),
    }),
  });
}
