import { type Dimension, DTYPES, type Dtype, problem, type TensorSpec } from "@modulehub/core";
import type { ModelSummary, ModelValue } from "@modulehub/onnx";

export interface GraphSignature {
  inputs: Record<string, TensorSpec>;
  outputs: Record<string, TensorSpec>;
  notes: string[];
}

/** Names that manifests take for dimensions. */
const DIMENSION_NAME = /^[A-Za-z_][\w.-]{0,127}$/;

/**
 * A signature of a graph's own inputs and outputs. A size that the graph leaves open without a name is called
 * `batch` where it comes first in the first such input, or in an output, and else `dimN`, each with an N of its own:
 * sizes of one name must be fed equal, and that two are equal is not known. Names that the graph gives are kept.
 * Outputs that can't be served (sequences, maps, 4-bit numbers, unknown rank) are left out with a note. Throws
 * `dtype-unsupported` for an input like that, and where no output remains.
 */
export function graphSignature(summary: ModelSummary): GraphSignature {
  const notes: string[] = [];
  const given = new Set([...summary.inputs, ...summary.outputs].flatMap(({ shape }) => shape ?? []));
  const named = new Map<string, string>();
  let unnamed = 0;
  const madeUp = (): string => {
    do unnamed += 1;
    while (given.has(`dim${unnamed}`));
    return `dim${unnamed}`;
  };
  /** The input whose first size is called `batch`. */
  let batched: ModelValue | undefined;
  const isBatch = (of: ModelValue): boolean => {
    if (given.has("batch")) return false;
    if (summary.outputs.includes(of)) return batched !== undefined;
    batched ??= of;
    return batched === of;
  };
  const dimension = (value: number | string | null, axis: number, of: ModelValue): Dimension => {
    if (typeof value === "number") return value;
    if (value === null) return axis === 0 && isBatch(of) ? "batch" : madeUp();
    if (DIMENSION_NAME.test(value)) return value;
    // A formula, such as `2*sequence`: equal formulas get equal names.
    const known = named.get(value) ?? madeUp();
    named.set(value, known);
    return known;
  };
  const spec = (value: ModelValue): TensorSpec | string => {
    if (!isDtype(value.type)) return `is ${article(value.description ?? value.type)}`;
    if (!DTYPES[value.type].feedable) return `has dtype ${value.type}`;
    if (value.shape === null) return "has no declared number of dimensions";
    return { dtype: value.type, shape: value.shape.map((size, axis) => dimension(size, axis, value)) };
  };

  const inputs: [string, TensorSpec][] = summary.inputs.map((value) => {
    const described = spec(value);
    if (typeof described !== "string") return [value.name, described];
    throw problem(
      value.shape === null && isDtype(value.type) ? "manifest-missing" : "dtype-unsupported",
      `Input ${quoted(value.name)} ${described}, so no module.json can be derived; change the graph or write one.`,
    );
  });
  const outputs: [string, TensorSpec][] = [];
  for (const value of summary.outputs) {
    const described = spec(value);
    if (typeof described === "string")
      notes.push(`Output ${quoted(value.name)} ${described} and was left out.`);
    else outputs.push([value.name, described]);
  }
  if (inputs.length === 0)
    throw problem("graph-invalid", "The graph has no inputs, so there is nothing to ask it.");
  if (outputs.length === 0)
    throw problem(
      "dtype-unsupported",
      `The graph has no output that can be served. ${notes.join(" ")}`.trim(),
    );
  return { inputs: Object.fromEntries(inputs), outputs: Object.fromEntries(outputs), notes };
}

const isDtype = (type: string): type is Dtype => Object.hasOwn(DTYPES, type);
const article = (kind: string): string => `${/^[aeiou]/.test(kind) ? "an" : "a"} ${kind}`;
const quoted = (name: string): string => JSON.stringify(name.slice(0, 80));
