import { type HeadSettings, problem, SPLITS, type Split } from "@modulehub/core";
import type { ExampleSet, Features, Labels } from "@modulehub/runtime";
import { type Data, examplesOf } from "./read-data.ts";

/** What a data set's examples are to be taken for: their labels, and the places of each split's among them. */
export interface Labelled {
  labels: Labels;
  /** Outputs that a head needs. */
  width: number;
  places: Readonly<Record<Split, Uint32Array>>;
}

/** Reads the labels of a data set, and which split each example is in: a few bytes of each. */
export async function readLabels(data: Data, output: HeadSettings["output"]): Promise<Labelled> {
  const { counts, classes } = data.plan;
  const width = output === "linear" ? 1 : classes.length;
  const places = Object.fromEntries(SPLITS.map((split) => [split, new Uint32Array(counts[split])])) as Record<
    Split,
    Uint32Array
  >;
  const filled: Record<Split, number> = { train: 0, validation: 0, test: 0 };
  const labels: Labels =
    output === "softmax"
      ? { kind: output, classes: new Int32Array(data.examples) }
      : { kind: output, values: new Float32Array(data.examples * width), width };
  for await (const { at, split, target } of examplesOf(data)) {
    places[split][filled[split]++] = at;
    if (labels.kind === "softmax" && target.kind === "class") labels.classes[at] = target.class;
    else if (labels.kind === "sigmoid" && target.kind === "labels")
      for (const label of target.labels) labels.values[at * width + label] = 1;
    else if (labels.kind === "linear" && target.kind === "number") labels.values[at] = target.value;
    else
      throw problem(
        "data-label-invalid",
        `The head's output is ${output}, the example's label another kind.`,
      );
  }
  return { labels, width, places };
}

/** Some of the examples, counted from 0. */
export function subset(features: Features, labels: Labels, places: Uint32Array): ExampleSet {
  const placed = (examples: Uint32Array) => examples.map((example) => places[example]!);
  const { tableRows } = features;
  return {
    features: {
      examples: places.length,
      feeds: (examples) => features.feeds(placed(examples)),
      ...(tableRows && {
        tableRows: (name: string, examples: Uint32Array) => tableRows.call(features, name, placed(examples)),
      }),
    },
    labels: labelsAt(labels, places),
  };
}

function labelsAt(labels: Labels, places: Uint32Array): Labels {
  if (labels.kind === "softmax")
    return { kind: "softmax", classes: Int32Array.from(places, (at) => labels.classes[at]!) };
  const { kind, values, width } = labels;
  const taken = new Float32Array(places.length * width);
  for (const [index, at] of places.entries())
    taken.set(values.subarray(at * width, (at + 1) * width), index * width);
  return { kind, values: taken, width };
}
