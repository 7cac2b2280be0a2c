import type { AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto } from "./schema.ts";

/** The graphs in a node's attributes: branches of If, bodies of Loop and Scan. */
export const subgraphs = (node: NodeProto): Generator<GraphProto> => attributeGraphs(node.attribute);

function* attributeGraphs(attributes: readonly AttributeProto[]): Generator<GraphProto> {
  for (const { g, graphs } of attributes) {
    if (g) yield g;
    yield* graphs;
  }
}

/** All nodes of a list, and those of the graphs inside them. The decoder has bounded how deep they nest. */
export function* allNodes(nodes: readonly NodeProto[]): Generator<NodeProto> {
  for (const node of nodes) {
    yield node;
    for (const graph of subgraphs(node)) yield* allNodes(graph.node);
  }
}

/** All nodes of a model: of its graph, the graphs inside it, its functions, and what their attributes are by default. */
export function* modelNodes(model: ModelProto): Generator<NodeProto> {
  if (model.graph) yield* allNodes(model.graph.node);
  for (const { node, attributeProto } of model.functions) {
    yield* allNodes(node);
    for (const graph of attributeGraphs(attributeProto)) yield* allNodes(graph.node);
  }
}

/** All attributes of a model's nodes, and those that its functions have by default. */
function* modelAttributes(model: ModelProto): Generator<AttributeProto> {
  for (const { attribute } of modelNodes(model)) yield* attribute;
  for (const { attributeProto } of model.functions) yield* attributeProto;
}

/** All graphs of a model, the main one first. */
export function* modelGraphs(model: ModelProto): Generator<GraphProto> {
  if (model.graph) yield model.graph;
  for (const attribute of modelAttributes(model)) yield* attributeGraphs([attribute]);
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
  for (const { t, tensors, sparseTensor, sparseTensors } of modelAttributes(model)) {
    if (t) yield t;
    yield* tensors;
    for (const { values, indices } of sparseTensor ? [sparseTensor, ...sparseTensors] : sparseTensors) {
      if (values) yield values;
      if (indices) yield indices;
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
