import type { Tensor } from "@modulehub/core/tensor";
import { lazyBytes } from "./byte-source.ts";
import { makeMessage } from "./decode.ts";
import { encodeRecords } from "./encode.ts";
import type { AttributeKind, AttributeValues } from "./operators/operator.ts";
import type { AttributeProto, GraphProto, NodeProto } from "./schema.ts";
import { tensorToProto } from "./tensor-proto.ts";

/** `AttributeProto.AttributeType`. */
const TYPES: Record<AttributeKind, number> = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  floats: 6,
  ints: 7,
  strings: 8,
};

/** An attribute as a node holds it. */
export function attributeToProto<K extends AttributeKind>(
  name: string,
  kind: K,
  value: AttributeValues[K],
): AttributeProto {
  const attribute = makeMessage("AttributeProto", { name, type: TYPES[kind] });
  const set: { [T in AttributeKind]: (value: AttributeValues[T]) => void } = {
    int: (int) => {
      attribute.i = BigInt(int);
    },
    ints: (ints) => {
      attribute.ints = ints.map(BigInt);
    },
    float: (float) => {
      attribute.f = float;
    },
    floats: (floats) => {
      attribute.floats = [...floats];
    },
    string: (text) => {
      attribute.s = Buffer.from(text, "utf8");
    },
    strings: (texts) => {
      attribute.strings = encodeRecords("AttributeProto", "strings", texts);
    },
    tensor: (tensor: Tensor) => {
      attribute.t = tensorToProto("", tensor);
    },
  };
  set[kind](value);
  return attribute;
}

/** A graph inside a node, such as the body of a Loop. */
export const graphAttribute = (name: string, graph: GraphProto): AttributeProto =>
  makeMessage("AttributeProto", { name, type: 5, g: graph });

/** An attribute of a node by name. */
export const attributeOf = (node: NodeProto, name: string): AttributeProto | undefined =>
  node.attribute.find((attribute) => attribute.name === name);

/** A string attribute as text. */
export function textAttribute(node: NodeProto, name: string): string | undefined {
  const value = attributeOf(node, name)?.s;
  return value && Buffer.from(lazyBytes(value)).toString("utf8");
}
