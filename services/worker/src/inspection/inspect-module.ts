import { stat } from "node:fs/promises";
import { join } from "node:path";
import {
  graphPath,
  type InputTensor,
  type InspectionReport,
  type Manifest,
  type ProblemCode,
  ProblemError,
  problem,
  type Tensor,
  tensorToJson,
} from "@modulehub/core";
import { checkGraphFile, findingSentence, type ModelSummary, openSource } from "@modulehub/onnx";
import { checkModule, type Module, openModule, readManifest, type Session } from "@modulehub/runtime";
import { openSession, runtimeVersion } from "@modulehub/runtime/session";
import { proveBatching } from "./batching-evidence.ts";
import { batchingItems, openAxesOf, paddingOf, requestFeeds } from "./batching-items.ts";
import type { ChildTask } from "./child-messages.ts";
import { exampleInputs } from "./example-inputs.ts";
import type { Feeds } from "./tensor-variations.ts";

/** Why a module is refused. */
export interface Refusal {
  code: ProblemCode;
  detail: string;
}

/** Told what begins, and how many milliseconds it may take. */
export type EnterPhase = (name: string, ms: number) => Promise<void>;

/** First elements of an example's output that the report keeps. */
const REPORTED_ELEMENTS = 64;

type Outcome = { report: InspectionReport } | { refusals: Refusal[] };

/**
 * Inspects a module's folder: static checks, the manifest against the graphs, a real load of every signature,
 * every example, and what may be batched. It runs what the module's author wrote: only in a limited process.
 */
export async function inspectModule(task: ChildTask, enter: EnterPhase): Promise<Outcome> {
  await enter("reading module.json", task.times.checkMs);
  const manifest = await readManifest(task.folder);
  await enter("checking the graphs", task.times.checkMs);
  const { summaries, refusals } = await checkGraphs(task, manifest);
  if (refusals.length > 0) return { refusals };
  await enter("comparing module.json with the graphs", task.times.checkMs);
  const findings = await checkModule(task.folder, manifest);
  if (findings.length > 0) return { refusals: findings };
  const module = await openModule(task.folder);
  const report: InspectionReport = {
    runtime: { onnxruntime: runtimeVersion, executionProvider: "cpu" },
    graphs: Object.fromEntries([...summaries].map(([path, summary]) => [path, graphReport(summary)])),
    signatures: {},
    examples: [],
    load: { milliseconds: 0, peakBytes: 0 },
  };
  for (const name of Object.keys(manifest.signatures)) {
    await enter(
      `loading ${graphPath(manifest.signatures[name]!)} for the signature ${name}`,
      task.times.loadMs,
    );
    const summary = summaries.get(graphPath(manifest.signatures[name]!))!;
    await inspectSignature({ task, module, name, summary, report, enter });
  }
  report.load.peakBytes = process.resourceUsage().maxRSS * 1024;
  return { report };
}

/** Static checks of every graph that a signature refers to; other files aren't looked at. */
async function checkGraphs(
  { folder, files }: ChildTask,
  manifest: Manifest,
): Promise<{ summaries: Map<string, ModelSummary>; refusals: Refusal[] }> {
  const summaries = new Map<string, ModelSummary>();
  const refusals: Refusal[] = [];
  const sizes = new Map(files.map(({ path, size }) => [path, size]));
  for (const path of new Set(Object.values(manifest.signatures).map(graphPath))) {
    const found = await stat(join(folder, path)).catch(() => undefined);
    if (!found?.isFile()) {
      refusals.push({
        code: "manifest-mismatch",
        detail: `module.json names the graph ${path}, which is not a file of the module.`,
      });
      continue;
    }
    using source = openSource(join(folder, path));
    const { summary, findings } = checkGraphFile(source, { files: sizes, path });
    for (const finding of findings)
      if (finding.level === "refuse")
        refusals.push({ code: finding.code, detail: findingSentence(finding, path) });
    if (summary) summaries.set(path, summary);
  }
  return { summaries, refusals: refusals.slice(0, 50) };
}

const graphReport = (summary: ModelSummary): InspectionReport["graphs"][string] => {
  const value = ({ name, type, shape }: ModelSummary["inputs"][number]) => ({ name, type, shape });
  const { irVersion, opsets, producer, nodes, parameters, parameterBytes, operators } = summary;
  const inputs = summary.inputs.map(value);
  const outputs = summary.outputs.map(value);
  return { irVersion, opsets, producer, nodes, parameters, parameterBytes, operators, inputs, outputs };
};

interface SignatureWork {
  task: ChildTask;
  module: Module;
  name: string;
  summary: ModelSummary;
  report: InspectionReport;
  enter: EnterPhase;
}

async function inspectSignature(work: SignatureWork): Promise<void> {
  const { task, module, name, report } = work;
  const started = performance.now();
  const graph = await module.compile(name);
  const session = await openSession(graph.path, { threads: task.threads });
  report.load.milliseconds += Math.round(performance.now() - started);
  report.runtime.executionProvider = session.executionProviders.join(", ");
  try {
    const examples = await runExamples(work, session, graph.fetches);
    report.signatures[name] = await tryBatching(work, session, graph.fetches, examples);
  } finally {
    await session.close();
  }
}

async function runExamples(
  { task, module, name, report, enter }: SignatureWork,
  session: Session,
  fetches: string[],
): Promise<ReadonlyMap<string, InputTensor>[]> {
  const ran: ReadonlyMap<string, InputTensor>[] = [];
  for (const [index, example] of (module.manifest.examples ?? []).entries()) {
    if (example.signature !== name) continue;
    const title = example.title ?? `example ${index + 1}`;
    await enter(`running ${title}`, task.times.exampleMs);
    try {
      const inputs = await exampleInputs(task.folder, module.manifest.signatures[name]!, example);
      const started = performance.now();
      const prepared = await module.prepare(name, inputs);
      const outputs = module.finish(name, prepared, await session.run(prepared.feeds, fetches));
      const milliseconds = Math.round(performance.now() - started);
      report.examples[index] = {
        signature: name,
        ...(example.title !== undefined && { title: example.title }),
        milliseconds,
        outputs: Object.fromEntries([...outputs].map(([output, tensor]) => [output, firstElements(tensor)])),
      };
      ran.push(inputs);
    } catch (error) {
      if (!(error instanceof ProblemError) || error.code === "out-of-memory") throw error;
      throw problem("example-failed", `${title}: ${error.message}`, { cause: error });
    }
  }
  return ran;
}

function firstElements(tensor: Tensor): InspectionReport["examples"][number]["outputs"][string] {
  const { dtype, shape } = tensor;
  const head = {
    dtype,
    shape: [Math.min(REPORTED_ELEMENTS, tensor.data.length)],
    data: tensor.data.slice(0, REPORTED_ELEMENTS),
  };
  return { dtype, shape, data: tensorToJson(head as Tensor).data };
}

async function tryBatching(
  { task, module, name, summary, enter }: SignatureWork,
  session: Session,
  fetches: string[],
  examples: ReadonlyMap<string, InputTensor>[],
): Promise<InspectionReport["signatures"][string]> {
  if (examples.length === 0)
    return { batching: "none", evidence: ["The signature has no example, so nothing could be tried."] };
  const { batchingMs, exampleMs } = task.times;
  await enter(`trying batches of the signature ${name}`, 2 * batchingMs + exampleMs);
  const until = performance.now() + batchingMs;
  const signature = module.manifest.signatures[name]!;
  const openAxes = openAxesOf(session.inputs);
  const requests: Feeds[] = [];
  for (const inputs of examples)
    requests.push(...requestFeeds(signature, (await module.prepare(name, inputs)).feeds));
  return proveBatching({
    operators: Object.keys(summary.operators),
    inputs: session.inputs,
    outputs: session.outputs.filter((output) => fetches.includes(output.name)),
    requests,
    candidates: await batchingItems(module, name, signature, examples, openAxes),
    padding: await paddingOf(module, name, signature, openAxes),
    run: (feeds) => session.run(feeds, fetches),
    until,
  });
}
