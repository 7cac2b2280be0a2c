import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  assetPaths,
  DTYPE_NAMES,
  type Dtype,
  graphPath,
  type Manifest,
  manifestPaths,
  type ProblemCode,
  ProblemError,
  type Signature,
} from "@modulehub/core";
import { type ModelSummary, type ModelValue, openSource, readModel } from "@modulehub/onnx";
import { checkAssets } from "./assets.ts";
import { type Plan, planSignature } from "./plan.ts";

/** Why a module doesn't do what its manifest promises. */
export interface ModuleFinding {
  code: ProblemCode;
  detail: string;
}

/** The most findings that are told. */
const MOST = 20;

/**
 * Compares what a manifest promises with the files of its folder: every file is there, graphs have the inputs and
 * outputs that signatures and run steps name, of fitting dtype and rank, every input of a graph is fed, and
 * tokenizers and label files can be used. Static checks of the graphs themselves are packages/onnx's; a graph that
 * can't be read gives one finding here. Loads no session, but parses tokenizers: run it where it can be ended.
 */
export async function checkModule(folder: string, manifest: Manifest): Promise<ModuleFinding[]> {
  const findings: ModuleFinding[] = [];
  const collect = async (check: () => void | Promise<void>): Promise<void> => {
    try {
      await check();
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      findings.push({ code: error.code, detail: error.message });
    }
  };
  const missing = new Set([...manifestPaths(manifest)].filter((path) => !existsSync(join(folder, path))));
  const assets = new Set(Object.values(manifest.signatures).flatMap(assetPaths));
  for (const path of missing)
    findings.push({
      code: assets.has(path) ? "asset-invalid" : "manifest-mismatch",
      detail: `module.json names ${path}, which is not a file of the module; add it.`,
    });
  for (const [name, signature] of Object.entries(manifest.signatures)) {
    if (findings.length >= MOST) break;
    let classes: ReadonlyMap<string, number> = new Map();
    if (!assetPaths(signature).some((path) => missing.has(path)))
      await collect(async () => {
        classes = await checkAssets(folder, signature);
      });
    const path = graphPath(signature);
    if (missing.has(path)) continue;
    await collect(() => {
      using source = openSource(join(folder, path));
      const summary = readModel(source);
      const details = checkSignature(signature, planSignature(signature), summary, classes);
      for (const detail of details)
        findings.push({ code: "manifest-mismatch", detail: `Signature ${name}: ${detail}` });
    });
  }
  return findings.slice(0, MOST);
}

interface Known {
  dtype: Dtype | "image";
  /** Null where the graph leaves it open. */
  rank: number | null;
  /** Size of the last axis, where it is fixed. */
  last?: number;
}

/** What doesn't fit between a signature and its graph, a sentence each. */
function checkSignature(
  signature: Signature,
  plan: Plan,
  graph: ModelSummary,
  classes: ReadonlyMap<string, number>,
): string[] {
  const details: string[] = [];
  const known = new Map<string, Known>();
  for (const [name, { dtype, shape }] of Object.entries(signature.inputs))
    known.set(name, { dtype, rank: shape.length });
  for (const { kind, step } of plan.preparing) {
    if (kind === "image") {
      expectInput(details, known, step.from, "image");
      known.set(step.as, { dtype: step.dtype ?? "float32", rank: 4 });
    } else {
      expectInput(details, known, step.from, "string");
      for (const field of ["ids", "mask", "types"])
        known.set(`${step.as}.${field}`, { dtype: "int64", rank: 2 });
    }
  }
  checkFeeds(details, known, plan, graph);
  for (const [output, name] of Object.entries(plan.run.outputs)) {
    const value = graph.outputs.find((candidate) => candidate.name === output);
    const dtype = value && dtypeOf(value);
    if (!value) details.push(`the graph has no output ${output}; it has ${listed(graph.outputs)}.`);
    else if (!dtype) details.push(`the graph's output ${output} is a ${value.type}, which can't be served.`);
    else {
      const last = value.shape?.at(-1);
      const rank = value.shape?.length ?? null;
      known.set(name, { dtype, rank, ...(typeof last === "number" && { last }) });
    }
  }
  checkAfterRun(details, signature, known, classes);
  return details;
}

function checkFeeds(details: string[], known: Map<string, Known>, plan: Plan, graph: ModelSummary): void {
  for (const value of graph.inputs)
    if (!plan.feeds.has(value.name))
      details.push(`nothing is fed to the graph's input ${value.name}; add it to the inputs.`);
  for (const [input, name] of plan.feeds) {
    if (plan.addedInputs.has(input)) continue;
    const value = graph.inputs.find((candidate) => candidate.name === input);
    const tensor = known.get(name);
    if (!value) details.push(`the graph has no input ${input}; it has ${listed(graph.inputs)}.`);
    else if (!tensor) details.push(`nothing makes ${name}, which is fed to ${input}.`);
    else if (value.type !== tensor.dtype)
      details.push(`the graph's input ${input} is ${value.type}, but ${name} is ${tensor.dtype}.`);
    else if (value.shape && tensor.rank !== null && value.shape.length !== tensor.rank)
      details.push(
        `the graph's input ${input} has ${value.shape.length} dimensions, but ${name} has ${tensor.rank}.`,
      );
  }
}

function checkAfterRun(
  details: string[],
  signature: Signature,
  known: Map<string, Known>,
  classes: ReadonlyMap<string, number>,
): void {
  for (const step of signature.steps ?? []) {
    if ("pool" in step) {
      const from = known.get(step.pool.from);
      if (from && from.rank !== null && from.rank !== 3)
        details.push(`pool reads ${step.pool.from}, which has ${from.rank} dimensions instead of 3.`);
      known.set(step.pool.as, { dtype: from?.dtype ?? "float32", rank: 2 });
    } else if ("labels" in step) {
      const { last } = known.get(step.labels.from) ?? {};
      const lines = classes.get(step.labels.labels);
      if (last !== undefined && lines !== undefined && last !== lines)
        details.push(
          `${step.labels.labels} has ${lines} lines, but ${step.labels.from} has ${last} classes.`,
        );
      known.set(`${step.labels.as}.labels`, { dtype: "string", rank: 2 });
      known.set(`${step.labels.as}.scores`, { dtype: "float32", rank: 2 });
    } else if ("normalize" in step || "softmax" in step || "sigmoid" in step) {
      const { from, as } =
        "normalize" in step ? step.normalize : "softmax" in step ? step.softmax : step.sigmoid;
      const read = known.get(from);
      if (read) known.set(as, read);
    }
  }
  for (const [name, spec] of Object.entries(signature.outputs)) {
    const tensor = known.get(name);
    if (!tensor) continue;
    if (tensor.dtype !== spec.dtype) details.push(`output ${name} is ${tensor.dtype}, not ${spec.dtype}.`);
    else if (tensor.rank !== null && tensor.rank !== spec.shape.length)
      details.push(`output ${name} has ${tensor.rank} dimensions, not ${spec.shape.length}.`);
  }
}

function expectInput(
  details: string[],
  known: Map<string, Known>,
  name: string,
  dtype: Known["dtype"],
): void {
  const tensor = known.get(name);
  if (tensor && (tensor.dtype !== dtype || tensor.rank !== 1))
    details.push(`a step reads ${name}, which must be ${dtype} of one dimension, [batch].`);
}

/** A value's dtype; undefined for what is no tensor. */
const dtypeOf = ({ type }: ModelValue): Dtype | undefined => DTYPE_NAMES.find((name) => name === type);

const listed = (values: readonly ModelValue[]): string =>
  values
    .slice(0, 10)
    .map(({ name }) => name.slice(0, 80))
    .join(", ");
