import { problem } from "@modulehub/core/problem";
import { graphAttribute } from "../attribute.ts";
import { makeMessage } from "../decode.ts";
import { renamedGraph } from "../graph-editor.ts";
import type { GraphProto, ModelProto, ValueInfoProto } from "../schema.ts";
import { type Dimension, tensorValue, valueType } from "../value-type.ts";

export interface Repetition {
  /** Inputs that the output of the same name with `next/` before it takes the place of, step after step. */
  carried: readonly string[];
  /** Outputs of which every step's is kept, one behind the other on a new first axis. */
  collected: readonly string[];
}

/** The number of repetitions: int64 []. */
export const COUNT = "count";
const STEPS = "steps";
/** Names inside the loop; none of the outside begins so. */
const inside = (name: string): string => (name === "" ? "" : `step/${name}`);

/**
 * A model that runs a step `count` times in one run. All inputs that aren't carried get a first axis of `count`, of which
 * each step takes its part. Within the run weights don't leave the runtime, which saves a small network a third of
 * its time: otherwise all of them are copied out of it after each step.
 */
export function repeatStep(step: ModelProto, { carried, collected }: Repetition): ModelProto {
  const { graph } = step;
  if (!graph) throw problem("not-onnx", "The model has no graph.");
  const isCarried = new Set(carried);
  const sliced = graph.input.filter(({ name = "" }) => !isCarried.has(name));
  const output = (name: string) => find(graph.output, name);
  const next = carried.map((name) => `next/${name}`);
  const loop = makeMessage("NodeProto", {
    name: "steps",
    opType: "Loop",
    input: [COUNT, "", ...carried],
    output: [...next, ...collected],
    attribute: [graphAttribute("body", body(graph, sliced, carried, [...next, ...collected]))],
  });
  return {
    ...step,
    graph: makeMessage("GraphProto", {
      name: graph.name ?? "steps",
      node: [loop],
      input: [
        tensorValue(COUNT, "int64", []),
        ...carried.map((name) => find(graph.input, name)),
        ...sliced.map((value) => withSteps(value)),
      ],
      output: [...next.map(output), ...collected.map((name) => withSteps(output(name)))],
    }),
  };
}

function body(
  graph: GraphProto,
  sliced: readonly ValueInfoProto[],
  carried: readonly string[],
  outputs: readonly string[],
): GraphProto {
  const renamed = renamedGraph(graph, inside);
  const parts = sliced.map(({ name = "" }) =>
    makeMessage("NodeProto", {
      name: `take ${name}`,
      opType: "Gather",
      input: [name, inside("iteration")],
      output: [inside(name)],
    }),
  );
  const goOn = makeMessage("NodeProto", {
    name: "go on",
    opType: "Identity",
    input: [inside("condition")],
    output: [inside("goes on")],
  });
  return {
    ...renamed,
    node: [goOn, ...parts, ...renamed.node],
    input: [
      tensorValue(inside("iteration"), "int64", []),
      tensorValue(inside("condition"), "bool", []),
      ...carried.map((name) => find(renamed.input, inside(name))),
    ],
    output: [
      tensorValue(inside("goes on"), "bool", []),
      ...outputs.map((name) => find(renamed.output, inside(name))),
    ],
  };
}

function find(values: readonly ValueInfoProto[], name: string): ValueInfoProto {
  const found = values.find((value) => value.name === name);
  if (!found) throw problem("output-unknown", `The step has no tensor ${JSON.stringify(name)}.`);
  return found;
}

function withSteps({ name = "", type }: ValueInfoProto): ValueInfoProto {
  const tensor = valueType(type);
  if (tensor.kind !== "tensor") throw problem("graph-invalid", `"${name}" of the step is no tensor.`);
  const shape: Dimension[] = [STEPS, ...(tensor.shape ?? [])];
  return tensorValue(name, tensor.dtype, shape);
}
