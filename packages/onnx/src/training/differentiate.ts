import { problem } from "@modulehub/core/problem";
import type { AppendedNode } from "../graph.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import { number } from "../operators/gradients/gradient.ts";
import { isFloat, type Operator } from "../operators/operator.ts";
import { OPERATORS } from "../operators/table.ts";
import type { Value } from "../value.ts";

/**
 * Appends the gradients of a loss by the values of `by`, each of its value's dtype and shape, in their order: reverse
 * mode, node by node, with the gradient rules of the table of operators. The loss is a float of shape []. Where a value
 * is read several times its gradients are added.
 *
 * Nothing is appended unless all can be. Throws `gradient-missing`, naming operator and node, where an operator without
 * a rule lies between the loss and one of the values; `graph-invalid` where the loss doesn't depend on one of them.
 */
export function differentiate(g: GraphBuilder, loss: Value, by: readonly Value[]): Value[] {
  if (loss.shape.length !== 0 || !isFloat(loss.dtype))
    throw problem("graph-invalid", `The loss is ${loss.dtype} of rank ${loss.shape.length}, not one number.`);
  const path = nodesBetween(g.appended(), by, loss);
  const gradients = new Map<Value, Value>([[loss, number(g, 1, loss)]]);
  for (const node of path.toReversed()) {
    const { inputs, outputs, attributes } = node;
    const back = ruleOf(node)(g, {
      inputs,
      outputs,
      attributes,
      gradients: outputs.map((output) => gradients.get(output)),
    });
    for (const [index, input] of inputs.entries()) {
      const gradient = back[index];
      if (!input || !gradient) continue;
      const sum = gradients.get(input);
      gradients.set(input, sum ? g.add(sum, gradient) : gradient);
    }
  }
  return by.map((value) => {
    const gradient = gradients.get(value);
    if (!gradient) throw problem("graph-invalid", `The loss does not depend on "${value.name}".`);
    return gradient;
  });
}

/** Nodes through which the loss depends on one of the values; all have rules. */
function nodesBetween(nodes: readonly AppendedNode[], by: readonly Value[], loss: Value): AppendedNode[] {
  const dependent = new Set<Value>(by);
  const behind = nodes.filter(({ inputs, outputs }) => {
    if (!inputs.some((input) => input && dependent.has(input))) return false;
    // What is no number on the way, such as an index, has no gradient.
    const numbers = outputs.filter(({ dtype }) => isFloat(dtype));
    for (const output of numbers) dependent.add(output);
    return numbers.length > 0;
  });
  const needed = new Set<Value>([loss]);
  const path = behind.toReversed().filter(({ inputs, outputs }) => {
    if (!outputs.some((output) => needed.has(output))) return false;
    for (const input of inputs) if (input && dependent.has(input)) needed.add(input);
    return true;
  });
  for (const node of path) ruleOf(node);
  return path.reverse();
}

function ruleOf({ name, outputs }: AppendedNode) {
  const { gradient }: Operator = OPERATORS[name];
  if (!gradient) throw gradientMissing(name, outputs[0]?.name ?? "");
  return gradient;
}

/** The refusal of an operator, whose node is named by what it makes; what it lacks is a gradient rule unless told. */
export const gradientMissing = (operator: string, output: string, why = "has no gradient rule") =>
  problem(
    "gradient-missing",
    `${operator}, which makes ${JSON.stringify(output.slice(0, 80))}, ${why}; train the head alone.`,
  );
