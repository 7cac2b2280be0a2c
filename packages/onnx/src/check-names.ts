import { type Findings, quote, shortened } from "./finding.ts";
import { subgraphs } from "./graph-walk.ts";
import type { FunctionProto, GraphProto, NodeProto } from "./schema.ts";

/**
 * The rules of names and order: every name is assigned once, every input is defined before it is used, nodes
 * are sorted. Source: ONNX "IR" specification, sections Graphs and Names Within a Graph.
 */

/** Names that can be seen in a graph: its own, and those of the graphs around it. */
class Scope {
  readonly own = new Set<string>();
  readonly #outer: Scope | null;

  constructor(outer: Scope | null) {
    this.#outer = outer;
  }

  has(name: string): boolean {
    return this.own.has(name) || (this.#outer?.has(name) ?? false);
  }
}

/** Checks the main graph and every graph inside it. */
export function checkGraphNames(graph: GraphProto, findings: Findings): void {
  checkGraph(graph, null, "the graph", findings);
}

/** Checks the body of a function, which sees nothing but its inputs. */
export function checkFunctionNames(body: FunctionProto, findings: Findings): void {
  const where = `function ${quote(body.name)}`;
  const scope = new Scope(null);
  for (const name of body.input) declare(scope, name, `an input of ${where}`, findings);
  checkNodes(body.node, scope, where, findings);
  for (const name of body.output)
    if (!scope.has(name)) findings.refuse("graph-invalid", where, `Nothing makes the output ${quote(name)}.`);
}

function checkGraph(graph: GraphProto, outer: Scope | null, where: string, findings: Findings): void {
  const scope = new Scope(outer);
  for (const input of graph.input) declare(scope, input.name ?? "", `an input of ${where}`, findings);
  const initializers = new Set<string>();
  const names = [...graph.initializer, ...graph.sparseInitializer.map((sparse) => sparse.values)];
  for (const tensor of names) {
    const name = tensor?.name ?? "";
    if (name === "" || initializers.has(name))
      findings.refuse(
        "graph-invalid",
        where,
        `Two initializers are named ${quote(name)}, or one has no name.`,
      );
    initializers.add(name);
    scope.own.add(name);
  }
  checkNodes(graph.node, scope, where, findings);
  checkNodeNames(graph.node, where, findings);
  const outputs = new Set<string>();
  for (const { name = "" } of graph.output) {
    if (outputs.has(name))
      findings.refuse("graph-invalid", where, `The output ${quote(name)} is listed twice.`);
    else if (name === "") findings.refuse("graph-invalid", where, "An output has no name.");
    else if (!scope.has(name))
      findings.refuse("graph-invalid", where, `Nothing in the graph makes the output ${quote(name)}.`);
    outputs.add(name);
  }
}

/** ONNX Runtime refuses two nodes of one name; it takes constants out before it looks. */
function checkNodeNames(nodes: readonly NodeProto[], where: string, findings: Findings): void {
  const seen = new Set<string>();
  for (const { name, opType } of nodes) {
    if (!name || opType === "Constant") continue;
    if (seen.has(name))
      findings.refuse("graph-invalid", where, `Two nodes are named ${quote(name)}; rename one.`);
    seen.add(name);
  }
}

function declare(scope: Scope, name: string, what: string, findings: Findings): void {
  if (name === "") findings.refuse("graph-invalid", what, "A value has no name.");
  else if (scope.own.has(name))
    findings.refuse("graph-invalid", what, `The name ${quote(name)} is assigned twice; rename one of them.`);
  scope.own.add(name);
}

function checkNodes(nodes: readonly NodeProto[], scope: Scope, where: string, findings: Findings): void {
  const makers = new Map<string, number>();
  nodes.forEach((node, index) => {
    for (const name of node.output) if (name !== "") makers.set(name, index);
  });
  let late = false;
  nodes.forEach((node, index) => {
    const inner = where === "the graph" ? "" : ` of ${where}`;
    const place = `node ${index} (${shortened(node.opType)})${inner}`;
    if (findings.full) return;
    if (!node.opType) findings.refuse("graph-invalid", place, "A node names no operator.");
    for (const name of node.input) {
      if (name === "" || scope.has(name)) continue;
      if (makers.has(name)) late = true;
      else
        findings.refuse(
          "graph-invalid",
          place,
          `The input ${quote(name)} is neither an input, an initializer nor made by a node.`,
        );
    }
    for (const inner of subgraphs(node)) checkGraph(inner, scope, `a graph in ${place}`, findings);
    for (const name of node.output) if (name !== "") declare(scope, name, place, findings);
  });
  if (!late) return;
  const cycle = findCycle(nodes, makers);
  if (cycle)
    findings.refuse("graph-invalid", where, `The graph is cyclic: ${cycle.map(quote).join(" needs ")}.`);
  else
    findings.refuse(
      "graph-invalid",
      where,
      "The nodes are not sorted: one uses what a later one makes. Sort them and export again.",
    );
}

/** Values of a cycle, each needing the next, the first again at the end; null where there is none. */
function findCycle(nodes: readonly NodeProto[], makers: ReadonlyMap<string, number>): string[] | null {
  const waiting = nodes.map((node) => new Set(node.input.filter((name) => makers.has(name))).size);
  const users = new Map<string, number[]>();
  nodes.forEach((node, index) => {
    for (const name of new Set(node.input)) {
      if (!makers.has(name)) continue;
      const list = users.get(name);
      if (list) list.push(index);
      else users.set(name, [index]);
    }
  });
  const ready = waiting.flatMap((count, index) => (count === 0 ? [index] : []));
  const done = new Set<number>();
  for (let index = ready.pop(); index !== undefined; index = ready.pop()) {
    done.add(index);
    for (const name of nodes[index]?.output ?? [])
      for (const user of users.get(name) ?? []) {
        waiting[user] = (waiting[user] ?? 0) - 1;
        if (waiting[user] === 0) ready.push(user);
      }
  }
  const stuck = nodes.findIndex((_, index) => !done.has(index));
  if (stuck < 0) return null;
  const path: string[] = [];
  const seen = new Map<number, number>();
  for (let at = stuck; ; ) {
    const from = seen.get(at);
    if (from !== undefined) return [...path.slice(from), path[from] ?? ""].slice(0, 8);
    seen.set(at, path.length);
    const needed =
      nodes[at]?.input.find((name) => makers.has(name) && !done.has(makers.get(name) ?? -1)) ?? "";
    path.push(needed);
    at = makers.get(needed) ?? stuck;
  }
}
