import { problem } from "@modulehub/core/problem";
import { makeMessage } from "./decode.ts";
import { allNodes, domainOf, subgraphs } from "./graph-walk.ts";
import { inferTypes } from "./infer-types.ts";
import type { GraphProto, ModelProto, NodeProto, ValueInfoProto } from "./schema.ts";
import { tensorValue } from "./value-type.ts";

/**
 * Edits return a new model and leave the old one as it was; tensors are shared, and those that were never read
 * stay references to their source.
 */

/** Everything that a node reads, the graphs inside it included. */
function* reads(node: NodeProto): Generator<string> {
  yield* node.input;
  for (const graph of subgraphs(node)) {
    for (const inner of allNodes(graph.node)) yield* inner.input;
    for (const output of graph.output) yield output.name ?? "";
  }
}

const graphOf = (model: ModelProto): GraphProto => {
  if (!model.graph) throw problem("not-onnx", "The model has no graph.");
  return model.graph;
};

/**
 * The declaration of a value: the graph's own, else what the table's shape rules tell; a name alone, where they
 * don't reach that far, is legal for an output.
 */
function declarationOf(graph: GraphProto, name: string): ValueInfoProto {
  const places = [graph.output, graph.valueInfo, graph.input];
  for (const list of places) {
    const found = list.find((value) => value.name === name);
    if (found) return found;
  }
  const inferred = inferTypes(graph).get(name);
  return inferred
    ? tensorValue(name, inferred.dtype, inferred.shape)
    : makeMessage("ValueInfoProto", { name });
}

/** Names of all values that a graph makes, is fed or stores. */
function valuesOf(graph: GraphProto): Set<string> {
  const names = new Set<string>();
  for (const { name } of [...graph.input, ...graph.initializer]) names.add(name ?? "");
  for (const { values } of graph.sparseInitializer) names.add(values?.name ?? "");
  for (const node of graph.node) for (const name of node.output) names.add(name);
  names.delete("");
  return names;
}

/** The same for a graph and all graphs inside it. */
function everyName(graph: GraphProto): Set<string> {
  const names = valuesOf(graph);
  for (const node of graph.node)
    for (const inner of subgraphs(node)) for (const name of everyName(inner)) names.add(name);
  return names;
}

function needValue(graph: GraphProto, name: string): void {
  if (!valuesOf(graph).has(name))
    throw problem("output-unknown", `The graph has no tensor ${JSON.stringify(name.slice(0, 80))}.`);
}

/**
 * Ends the graph at the named tensors, which become its outputs in this order: nodes, initializers and inputs that
 * none of them needs are dropped. Throws `output-unknown` for a name that the graph doesn't have.
 */
export function cutOutputs(model: ModelProto, names: readonly string[]): ModelProto {
  const graph = graphOf(model);
  if (names.length === 0) throw problem("output-unknown", "Name at least one tensor to end the graph at.");
  for (const name of names) needValue(graph, name);
  return prune({ ...model, graph: { ...graph, output: names.map((name) => declarationOf(graph, name)) } });
}

/** Drops what no output needs. Inputs that nothing reads go too, unless `keepInputs`. */
export function prune(model: ModelProto, { keepInputs = false } = {}): ModelProto {
  const graph = graphOf(model);
  const needed = new Set(graph.output.map((value) => value.name ?? ""));
  const kept: NodeProto[] = [];
  for (const node of graph.node.toReversed()) {
    if (!node.output.some((name) => name !== "" && needed.has(name))) continue;
    kept.push(node);
    for (const name of reads(node)) needed.add(name);
  }
  const made = new Set(kept.flatMap((node) => node.output));
  const stay = ({ name }: { name?: string }) => needed.has(name ?? "");
  return {
    ...model,
    graph: {
      ...graph,
      node: kept.reverse(),
      initializer: graph.initializer.filter(stay),
      sparseInitializer: graph.sparseInitializer.filter(({ values }) => needed.has(values?.name ?? "")),
      input: keepInputs ? graph.input : graph.input.filter(stay),
      valueInfo: graph.valueInfo.filter(({ name }) => made.has(name ?? "")),
      quantizationAnnotation: graph.quantizationAnnotation.filter(({ tensorName }) =>
        needed.has(tensorName ?? ""),
      ),
    },
  };
}

/**
 * Renames values of the main graph: `renames` maps old names to new ones. Throws `output-unknown` for an old name
 * that the graph doesn't have and `graph-invalid` where a new one is taken.
 */
export function renameValues(model: ModelProto, renames: ReadonlyMap<string, string>): ModelProto {
  const graph = graphOf(model);
  const values = valuesOf(graph);
  const results = new Set([...values].map((name) => renames.get(name) ?? name));
  for (const name of renames.keys()) needValue(graph, name);
  if (results.size !== values.size || results.has(""))
    throw problem("graph-invalid", "A new name is empty or belongs to another tensor.");
  return { ...model, graph: renamedGraph(graph, (name) => renames.get(name) ?? name) };
}

/** A graph with every name of a value put through `rename`. Inner graphs see the values of those around them. */
export function renamedGraph(graph: GraphProto, rename: (name: string) => string): GraphProto {
  const named = <T extends { name?: string }>(value: T): T => ({ ...value, name: rename(value.name ?? "") });
  return {
    ...graph,
    node: graph.node.map((node) => ({
      ...node,
      input: node.input.map(rename),
      output: node.output.map(rename),
      attribute: node.attribute.map((attribute) => ({
        ...attribute,
        ...(attribute.g && { g: renamedGraph(attribute.g, rename) }),
        graphs: attribute.graphs.map((inner) => renamedGraph(inner, rename)),
      })),
    })),
    initializer: graph.initializer.map(named),
    sparseInitializer: graph.sparseInitializer.map((sparse) =>
      sparse.values ? { ...sparse, values: named(sparse.values) } : sparse,
    ),
    input: graph.input.map(named),
    output: graph.output.map(named),
    valueInfo: graph.valueInfo.map(named),
    quantizationAnnotation: graph.quantizationAnnotation.map((annotation) => ({
      ...annotation,
      tensorName: rename(annotation.tensorName ?? ""),
    })),
  };
}

/** The opset of the default domain that a model is written for. */
export function opsetOf(model: ModelProto): number {
  const entry = model.opsetImport.findLast(({ domain }) => domainOf(domain) === "");
  return Number(entry?.version ?? 1n);
}

/** Joins graphs end to end: an input of the second is fed by an output of the first. */
export interface Joint {
  /** Value of the first graph, by the second's input that takes it. */
  feeds: ReadonlyMap<string, string>;
  /** Which outputs of the first graph stay outputs; none unless told. */
  keep?: readonly string[];
}

/**
 * Puts one model behind another. Values of the second whose names are taken get a prefix; its outputs keep their names,
 * and its inputs that `feeds` doesn't name become inputs of the whole. Both must be of one opset, or the second
 * made for the first's. Throws `graph-invalid` where an output's name is taken by a value of the first graph.
 */
export function joinModels(first: ModelProto, second: ModelProto, { feeds, keep = [] }: Joint): ModelProto {
  const [head, tail] = [graphOf(first), graphOf(second)];
  for (const source of feeds.values()) needValue(head, source);
  const opsets = new Map<string, bigint>();
  for (const { domain, version = 1n } of [...first.opsetImport, ...second.opsetImport]) {
    const key = domainOf(domain);
    const known = opsets.get(key);
    if (known !== undefined && known !== version)
      throw problem(
        "graph-invalid",
        `The graphs are of opsets ${known} and ${version}; make them for the same one.`,
      );
    opsets.set(key, version);
  }
  const outputs = new Set(tail.output.map((value) => value.name ?? ""));
  const open = new Set(tail.input.map((value) => value.name ?? "").filter((name) => !feeds.has(name)));
  const shared = new Set(head.input.map((value) => value.name ?? "").filter((name) => open.has(name)));
  const taken = everyName(head);
  const ours = everyName(tail);
  const renames = new Map<string, string>(feeds);
  const rename = (name: string): string => {
    const known = renames.get(name);
    if (known !== undefined) return known;
    if (name === "" || !taken.has(name) || shared.has(name)) return name;
    if (outputs.has(name) || open.has(name))
      throw problem(
        "graph-invalid",
        `The name ${JSON.stringify(name)} is taken by a tensor of the first graph.`,
      );
    let free = `second/${name}`;
    while (taken.has(free) || ours.has(free)) free = `second/${free}`;
    renames.set(name, free);
    return free;
  };
  const renamed = renamedGraph(tail, rename);
  const joined: ModelProto = {
    ...first,
    irVersion: (first.irVersion ?? 0n) > (second.irVersion ?? 0n) ? first.irVersion : second.irVersion,
    opsetImport: [...opsets].map(([domain, version]) =>
      makeMessage("OperatorSetIdProto", { domain, version }),
    ),
    functions: [...first.functions, ...second.functions],
    graph: {
      ...head,
      node: [...head.node, ...withFreshNames(renamed.node, head.node)],
      initializer: [...head.initializer, ...renamed.initializer],
      sparseInitializer: [...head.sparseInitializer, ...renamed.sparseInitializer],
      input: [
        ...head.input,
        ...renamed.input.filter((value) => open.has(value.name ?? "") && !shared.has(value.name ?? "")),
      ],
      output: [...keep.map((name) => declarationOf(head, name)), ...renamed.output],
    },
  };
  return prune(joined, { keepInputs: true });
}

/** Nodes renamed where another list has their name: the runtime refuses two nodes of one name. */
function withFreshNames(nodes: readonly NodeProto[], others: readonly NodeProto[]): NodeProto[] {
  const taken = new Set([...others, ...nodes].map((node) => node.name));
  const clashing = new Set(others.map((node) => node.name));
  return nodes.map((node) => {
    if (!node.name || !clashing.has(node.name)) return node;
    let name = `second/${node.name}`;
    while (taken.has(name)) name = `second/${name}`;
    taken.add(name);
    return { ...node, name };
  });
}
