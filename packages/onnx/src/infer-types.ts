import { dtypeOfCode } from "@modulehub/core/dtype";
import { lazyBytes } from "./byte-source.ts";
import { decodeTexts } from "./encode.ts";
import { domainOf } from "./graph-walk.ts";
import type { Attributes, AttributeValues, Inferred, Operator } from "./operators/operator.ts";
import { OPERATORS } from "./operators/table.ts";
import type { AttributeProto, GraphProto, NodeProto, TensorProto } from "./schema.ts";
import { inlineLength, tensorFromProto, tensorShape } from "./tensor-proto.ts";
import { knownElements } from "./value.ts";
import { valueType } from "./value-type.ts";

/** Tensors up to this are read: they may be shapes and axes that rules need. */
const SMALL_TENSOR_BYTES = 1024;

/**
 * Types of a graph's values, as far as they can be told: what the graph declares, else what the table's
 * shape rules say, node by node. Values behind an operator without a rule, or whose inputs do not fit it,
 * or which has an attribute that the rule doesn't know, are left out. Expects nodes in topological order; subgraphs are not entered.
 */
export function inferTypes(graph: GraphProto): Map<string, Inferred> {
  const types = new Map<string, Inferred>();
  for (const { name, type } of [...graph.input, ...graph.valueInfo, ...graph.output]) {
    const declared = valueType(type);
    if (name && declared.kind === "tensor" && declared.shape)
      types.set(name, { dtype: declared.dtype, shape: declared.shape });
  }
  for (const initializer of graph.initializer) {
    const inferred = initializerType(initializer);
    if (inferred) types.set(initializer.name ?? "", inferred);
  }
  for (const node of graph.node)
    for (const [index, type] of nodeTypes(node, types).entries()) {
      const name = node.output[index];
      if (name && !types.has(name)) types.set(name, type);
    }
  return types;
}

function initializerType(tensor: TensorProto): Inferred | undefined {
  const dtype = dtypeOfCode(tensor.dataType ?? 0);
  if (!dtype) return undefined;
  const type = { dtype, shape: tensorShape(tensor) };
  if (tensor.externalData.length > 0 || inlineLength(tensor) > SMALL_TENSOR_BYTES) return type;
  const known = knownElements(tensorFromProto(tensor));
  return known ? { ...type, known } : type;
}

function nodeTypes(node: NodeProto, types: ReadonlyMap<string, Inferred>): Inferred[] {
  const opType = node.opType ?? "";
  if (!Object.hasOwn(OPERATORS, opType)) return [];
  const entry: Operator = OPERATORS[opType as keyof typeof OPERATORS];
  if (entry.domain !== domainOf(node.domain ?? "")) return [];
  const inputs = node.input.map((name) => (name === "" ? undefined : types.get(name)));
  if (node.input.some((name, index) => name !== "" && !inputs[index])) return [];
  const { attributes, unknown } = knownAttributes(node, entry);
  if (unknown !== undefined) return [];
  try {
    return entry.infer({ inputs, attributes, outputs: node.output.length });
  } catch (error) {
    // The rule refuses these inputs: whoever checks the graph says so; here the type just stays open.
    if (error instanceof Error && "code" in error) return [];
    throw error;
  }
}

/**
 * A node's attributes as its entry in the table has them. `unknown` is the name of one that the entry lacks or that
 * can't be read: what the node means is then not what the table says.
 */
export function knownAttributes(
  node: NodeProto,
  entry: Operator,
): { attributes: Attributes; unknown?: string } {
  const attributes: Record<string, Attributes[string]> = {};
  for (const attribute of node.attribute) {
    const { name = "" } = attribute;
    const value = attributeValue(attribute);
    const isKnown = Object.hasOwn(entry.attributes, name) && value !== undefined;
    if (isKnown) attributes[name] = value;
    else if (value === undefined || Number(value) !== entry.harmless?.[name])
      return { attributes, unknown: name };
  }
  return { attributes };
}

/** By `AttributeProto.AttributeType`; undefined for kinds that no rule reads. */
function attributeValue(attribute: AttributeProto): AttributeValues[keyof AttributeValues] | undefined {
  switch (attribute.type) {
    case 1:
      return attribute.f ?? 0;
    case 2:
      return attribute.i ?? 0n;
    case 3:
      return attribute.s ? new TextDecoder().decode(lazyBytes(attribute.s)) : "";
    case 4:
      return attribute.t && inlineLength(attribute.t) <= SMALL_TENSOR_BYTES
        ? tensorFromProto(attribute.t)
        : undefined;
    case 6:
      return attribute.floats;
    case 7:
      return attribute.ints;
    case 8:
      return [...decodeTexts(attribute.strings)];
    default:
      return undefined;
  }
}
