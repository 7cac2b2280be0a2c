import { type Findings, quote } from "./finding.ts";
import { allNodes, domainOf } from "./graph-walk.ts";
import type { FunctionProto, ModelProto, NodeProto } from "./schema.ts";

/** Nodes that a graph may have once its functions are put in place of their calls. */
const MOST_INLINED_NODES = 1_000_000;

const keyOf = (domain: string | undefined, name: string | undefined, overload: string | undefined): string =>
  JSON.stringify([domainOf(domain), name ?? "", overload ?? ""]);

/** The function that a node calls, among those of the model. */
export type FunctionTable = (node: NodeProto) => FunctionProto | undefined;

/** Functions of a model by domain, name and overload. */
export function functionTable(model: ModelProto): FunctionTable {
  const table = new Map(model.functions.map((body) => [keyOf(body.domain, body.name, body.overload), body]));
  return (node) => (table.size === 0 ? undefined : table.get(keyOf(node.domain, node.opType, node.overload)));
}

/**
 * Functions must differ in name, must not call themselves, and must not multiply: ten functions that call the
 * one before ten times each are 10¹⁰ nodes once the runtime has put them in.
 */
export function checkFunctions(model: ModelProto, calls: FunctionTable, findings: Findings): void {
  const keys = new Set<string>();
  for (const body of model.functions) {
    const key = keyOf(body.domain, body.name, body.overload);
    if (keys.has(key))
      findings.refuse(
        "graph-invalid",
        `function ${quote(body.name)}`,
        "Two functions have this name; rename one.",
      );
    keys.add(key);
  }
  const sizes = new Map<FunctionProto, number>();
  const open = new Set<FunctionProto>();
  /** Nodes of a list after inlining; infinite where a function calls itself or the calls nest too deeply. */
  const inlined = (nodes: readonly NodeProto[]): number => {
    let total = 0;
    for (const node of allNodes(nodes)) {
      const body = calls(node);
      total += body ? sizeOf(body) : 1;
    }
    return total;
  };
  const sizeOf = (body: FunctionProto): number => {
    const known = sizes.get(body);
    if (known !== undefined) return known;
    if (open.has(body) || open.size > 64) return Number.POSITIVE_INFINITY;
    open.add(body);
    const size = inlined(body.node);
    open.delete(body);
    sizes.set(body, size);
    return size;
  };
  const endless = model.functions.find((body) => sizeOf(body) === Number.POSITIVE_INFINITY);
  if (endless)
    findings.refuse(
      "graph-invalid",
      `function ${quote(endless.name)}`,
      "The function calls itself, or calls nest more than 64 deep.",
    );
  else if (inlined(model.graph?.node ?? []) > MOST_INLINED_NODES)
    findings.refuse(
      "graph-too-complex",
      "the graph",
      `Its functions unfold to more than ${MOST_INLINED_NODES} nodes.`,
    );
}
