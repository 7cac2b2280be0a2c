import { posix } from "node:path";
import { DTYPES } from "@modulehub/core/dtype";
import { ProblemError } from "@modulehub/core/problem";
import type { ByteSource } from "./byte-source.ts";
import { checkFunctions, functionTable } from "./check-functions.ts";
import { checkFunctionNames, checkGraphNames } from "./check-names.ts";
import { checkTensor, type ModuleFiles } from "./check-tensors.ts";
import { decodeModel } from "./decode.ts";
import { type Finding, Findings, quote } from "./finding.ts";
import { domainOf, modelNodes, modelTensors, operatorName } from "./graph-walk.ts";
import { type ModelSummary, summarizeModel } from "./model-summary.ts";
import { IR_VERSION, type ModelProto, type ValueInfoProto } from "./schema.ts";
import { valueType } from "./value-type.ts";

/** Domains whose operators ONNX Runtime's CPU build has, and which don't load code or files. */
const DOMAINS = new Set(["", "ai.onnx.ml", "com.microsoft"]);

/** Operators of those domains that carry compiled code or read files of their own. */
const REFUSED_OPERATORS = new Set(["com.microsoft::EPContext", "com.microsoft::PyOp"]);

export interface CheckOptions {
  /** The module's files, by path from its root. Absent: external data is missing, whatever it is. */
  files?: ModuleFiles;
  /** Path of the graph among them; external data lies relative to its folder. */
  path?: string;
}

/** What the static checks of a graph file found, and what the graph is, where it could be read. */
export interface GraphReport {
  summary: ModelSummary | null;
  findings: Finding[];
}

/**
 * Reads and checks a graph file. Throws nothing for what may be wrong with the file: that is among the findings.
 * Errors of reading the disk are thrown.
 */
export function checkGraphFile(source: ByteSource | Uint8Array, options: CheckOptions = {}): GraphReport {
  const findings: Finding[] = [];
  try {
    const model = decodeModel(source);
    findings.push(...checkModel(model, options));
    if (findings.some(({ level }) => level === "refuse")) return { summary: null, findings };
    return { summary: summarizeModel(model), findings };
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const whole = new Findings();
    whole.refuse(error.code, "the file", error.message);
    return { summary: null, findings: [...findings, ...whole.list] };
  }
}

/**
 * The static checks: all that can be said about a model without loading it. A model that passes may still be one
 * that ONNX Runtime can't open.
 */
export function checkModel(model: ModelProto, options: CheckOptions = {}): Finding[] {
  const findings = new Findings();
  const folder = posix.dirname(options.path ?? "");
  const { graph } = model;
  if (!graph) {
    findings.refuse("not-onnx", "the file", "The file has no graph.");
    return findings.list;
  }
  checkVersions(model, findings);
  checkOperators(model, findings);
  checkGraphNames(graph, findings);
  for (const body of model.functions) checkFunctionNames(body, findings);
  const initializers = new Set(graph.initializer.map((tensor) => tensor.name ?? ""));
  for (const value of graph.input) if (!initializers.has(value.name ?? "")) checkInput(value, findings);
  checkOutputs(graph.output, findings);
  for (const tensor of modelTensors(model)) {
    if (findings.full) break;
    checkTensor(tensor, options.files ?? new Map(), folder, findings);
  }
  return findings.list;
}

function checkVersions(model: ModelProto, findings: Findings): void {
  const version = model.irVersion ?? 0n;
  if (version < 1n || version > BigInt(IR_VERSION))
    findings.refuse(
      "graph-invalid",
      "the file",
      `The IR version ${version} is not one of 1 to ${IR_VERSION}.`,
    );
  const seen = new Set<string>();
  for (const { domain, version: opset = 0n } of model.opsetImport) {
    const name = domainOf(domain);
    if (opset < 1n || opset > 1000n)
      findings.refuse(
        "graph-invalid",
        "the file",
        `The opset ${opset} of domain ${quote(name)} does not exist.`,
      );
    seen.add(name);
  }
  if (seen.size === 0 && version >= 3n)
    findings.refuse("graph-invalid", "the file", "The model does not say which opset it uses.");
}

function checkOperators(model: ModelProto, findings: Findings): void {
  const calls = functionTable(model);
  checkFunctions(model, calls, findings);
  const refused = new Set<string>();
  for (const node of modelNodes(model)) {
    const name = operatorName(node);
    if (calls(node)) continue;
    if (DOMAINS.has(domainOf(node.domain)) && !REFUSED_OPERATORS.has(name)) continue;
    if (refused.has(name)) continue;
    refused.add(name);
    findings.refuse(
      "operator-unsupported",
      `node ${quote(node.name)}`,
      `The operator ${quote(name)} is not one of ONNX Runtime's own; export the model without it.`,
    );
  }
}

function checkInput(value: ValueInfoProto, findings: Findings): void {
  const type = valueType(value.type);
  const where = `input ${quote(value.name)}`;
  if (type.kind !== "tensor")
    findings.refuse(
      "dtype-unsupported",
      where,
      `An input of type ${type.text} can't be fed; inputs must be tensors.`,
    );
  else if (!DTYPES[type.dtype].feedable)
    findings.refuse(
      "dtype-unsupported",
      where,
      `An input of ${type.dtype} can't be fed; add a Cast in the graph.`,
    );
}

function checkOutputs(outputs: readonly ValueInfoProto[], findings: Findings): void {
  if (outputs.length === 0) findings.refuse("graph-invalid", "the graph", "The graph has no outputs.");
  let usable = 0;
  for (const value of outputs) {
    const type = valueType(value.type);
    const where = `output ${quote(value.name)}`;
    // An output without a type is legal: the runtime infers it.
    if (type.kind === "tensor" || value.type === undefined) usable += 1;
    if (type.kind === "tensor" && !DTYPES[type.dtype].feedable)
      findings.refuse(
        "dtype-unsupported",
        where,
        `An output of ${type.dtype} can't be fetched; add a Cast in the graph.`,
      );
    else if (type.kind !== "tensor" && value.type !== undefined)
      findings.note(
        "dtype-unsupported",
        where,
        `An output of type ${type.text} can't be fetched; it is left out.`,
      );
  }
  if (outputs.length > 0 && usable === 0)
    findings.refuse("dtype-unsupported", "the graph", "None of the outputs is a tensor; add one that is.");
}
