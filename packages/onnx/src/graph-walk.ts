import type { GraphProto, ModelProto, NodeProto, TensorProto } from "./schema.ts";

/** The graphs in a node's attributes: branches of If, bodies of Loop and Scan. */
export function* subgraphs(node: NodeProto): Generator<GraphProto> {
  for (const attribute of node.attribute) {
    if (attribute.g) yield attribute.g;
    yield* attribute.graphs;
  }
}

/** All nodes of a list, and those of the graphs inside them. The decoder has bounded how deep they nest. */
export function* allNodes(nodes: readonly NodeProto[]): Generator<NodeProto> {
  for (const node of nodes) {
    yield node;
    for (const graph of subgraphs(node)) yield* allNodes(graph.node);
  }
}

/** All nodes of a model: of its graph, the graphs inside it, and its functions. */
export function* modelNodes(model: ModelProto): Generator<NodeProto> {
  if (model.graph) yield* allNodes(model.graph.node);
  for (const body of model.functions) yield* allNodes(body.node);
}

/** All graphs of a model, the main one first. */
export function* modelGraphs(model: ModelProto): Generator<GraphProto> {
  if (model.graph) yield model.graph;
  for (const node of modelNodes(model)) yield* subgraphs(node);
}

/** All tensors of a model: initializers, dense and sparse, and those in attributes. */
export function* modelTensors(model: ModelProto): Generator<TensorProto> {
  for (const graph of modelGraphs(model)) {
    yield* graph.initializer;
    for (const { values, indices } of graph.sparseInitializer) {
      if (values) yield values;
      if (indices) yield indices;
    }
  }
  for (const node of modelNodes(model)) {
    for (const { t, tensors, sparseTensor, sparseTensors } of node.attribute) {
      if (t) yield t;
      yield* tensors;
      for (const { values, indices } of sparseTensor ? [sparseTensor, ...sparseTensors] : sparseTensors) {
        if (values) yield values;
        if (indices) yield indices;
      }
    }
  }
}

/** The operator's domain, of whose default two spellings exist. */
export const domainOf = (domain: string | undefined): string =>
  !domain || domain === "ai.onnx" ? "" : domain;

/** `Relu`, or `com.microsoft::Gelu` outside the default domain. */
export function operatorName(node: NodeProto): string {
  const domain = domainOf(node.domain);
  return domain ? `${domain}::${node.opType ?? ""}` : (node.opType ?? "");
}
