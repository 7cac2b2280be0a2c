import { dtypeOfCode } from "@modulehub/core/dtype";
import { problem } from "@modulehub/core/problem";
import { attributeOf } from "../attribute.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import { domainOf, operatorName } from "../graph-walk.ts";
import { knownAttributes } from "../infer-types.ts";
import type { Operator } from "../operators/operator.ts";
import { OPERATORS, type OperatorName } from "../operators/table.ts";
import type { NodeProto, TensorProto } from "../schema.ts";
import { tensorFromProto } from "../tensor-proto.ts";
import type { Value } from "../value.ts";
import { gradientMissing } from "./differentiate.ts";

/**
 * Appends nodes of a model that was read to a graph that is being written, so that both are differentiated alike.
 * `values` says what the names that the nodes read are here, and gets those that they make; initializers are taken over
 * as constants when they are first read. Both graphs must be of one opset.
 *
 * Throws `gradient-missing` for an operator, or an attribute of one, that the table doesn't have, `graph-invalid` where a
 * node reads what isn't there, and `external-data-missing` for weights in other files.
 */
export function liftNodes(
  g: GraphBuilder,
  nodes: readonly NodeProto[],
  values: Map<string, Value>,
  initializers: ReadonlyMap<string, TensorProto>,
): void {
  const take = (name: string): Value | undefined => {
    if (name === "") return undefined;
    const known = values.get(name);
    if (known) return known;
    const stored = initializers.get(name);
    if (!stored) throw problem("graph-invalid", `A node reads ${JSON.stringify(name)}, which nothing makes.`);
    const value = g.constant(tensorFromProto(stored), `base/${name}`);
    values.set(name, value);
    return value;
  };
  for (const node of nodes) {
    const made = liftNode(g, node, take);
    for (const [index, name] of node.output.entries()) {
      const value = made[index];
      if (name !== "" && value) values.set(name, value);
    }
  }
}

function liftNode(
  g: GraphBuilder,
  node: NodeProto,
  take: (name: string) => Value | undefined,
): readonly Value[] {
  const name = node.opType ?? "";
  const stored = attributeOf(node, "value")?.t;
  if (name === "Constant" && stored && dtypeOfCode(stored.dataType ?? 0))
    return [g.constant(tensorFromProto(stored), `base/${node.output[0] ?? ""}`)];
  if (!isInTable(name) || OPERATORS[name].domain !== domainOf(node.domain))
    throw gradientMissing(operatorName(node), node.output[0] ?? "");
  const { attributes, unknown } = knownAttributes(node, OPERATORS[name]);
  if (unknown !== undefined)
    throw gradientMissing(
      operatorName(node),
      node.output[0] ?? "",
      `has an attribute ${JSON.stringify(unknown.slice(0, 80))} that training can't keep`,
    );
  return g.nodes(name, node.input.map(take), attributes, node.output.length);
}

/** Whether there is a rule by which gradients go back through a node of a model that was read. */
export function hasGradientRule({ opType = "", domain }: NodeProto): boolean {
  if (!isInTable(opType)) return false;
  const entry: Operator = OPERATORS[opType];
  return entry.domain === domainOf(domain) && entry.gradient !== undefined;
}

const isInTable = (name: string): name is OperatorName => Object.hasOwn(OPERATORS, name);
