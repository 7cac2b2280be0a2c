import { closeSync, openSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  embeddingOutput,
  type JobTask,
  problem,
  type SplitEvaluations,
  type TrainingSettings,
} from "@modulehub/core";
import {
  buildHead,
  decodeModel,
  joinModels,
  type ModelProto,
  openSource,
  opsetOf,
  writeModel,
} from "@modulehub/onnx";
import { openModule, planSignature } from "@modulehub/runtime";
import { compileGraph } from "@modulehub/runtime/compile";
import type { JobArgument, MadeFile } from "../job-messages.ts";
import { checkComposed } from "./check-composed.ts";
import { baseFiles } from "./composed-files.ts";
import { composedManifest, LABELS, SCORES } from "./composed-manifest.ts";
import type { Data } from "./read-data.ts";
import { readmeOf } from "./readme.ts";
import type { Trained } from "./train-head.ts";
import type { WorkerPipe } from "./worker-pipe.ts";

export interface Composition {
  task: Extract<JobTask, { kind: "train" }>;
  settings: TrainingSettings;
  data: Data;
  evaluations: SplitEvaluations;
  trained: Trained;
}

/**
 * Makes one module of a base and its head: the base's graph with its own steps after the run and the head behind it,
 * the labels, and whatever files the base's steps before the run read. Checked to give what the two give one after the
 * other. Throws `graph-invalid` where the two can't be joined, and as `checkComposed` does.
 */
export async function composeModule(
  pipe: WorkerPipe,
  argument: JobArgument,
  composition: Composition,
): Promise<MadeFile[]> {
  await pipe.tell({ kind: "progress", progress: { stage: "composing" } });
  const { data, settings } = composition;
  const [base] = argument.modules;
  if (base === undefined) throw new TypeError("The job has no base.");
  const module = await openModule(base.folder);
  const role = embeddingOutput(module.manifest);
  const task = module.compileTask(role.signature);
  const { output } = settings.head;
  const { classes } = data.plan;
  checkClasses(classes);
  // With its pooling and normalising.
  const compiled = await compileGraph(base.folder, task);
  const embedding = planSignature(module.manifest.signatures[role.signature]!).fetches.get(role.output);
  if (embedding === undefined)
    throw problem("graph-invalid", "The base's graph does not make its embedding.");
  {
    using source = openSource(compiled.path);
    writeGraph(composed(decodeModel(source), embedding, composition), join(argument.folder, "graph"));
  }
  const manifest = composedManifest(module.manifest, { role, task, output });
  const text = (name: string, content: string) => writeFile(join(argument.folder, name), content);
  await text("manifest", `${JSON.stringify(manifest, null, 2)}\n`);
  await text("readme", readmeOf(composition));
  if (output !== "linear") await text("labels", `${classes.join("\n")}\n`);
  const files: MadeFile[] = [
    { path: "module.json", file: "manifest" },
    { path: task.graph, file: "graph" },
    { path: "README.md", file: "readme" },
    ...(output === "linear" ? [] : [{ path: LABELS, file: "labels" }]),
    ...(await baseFiles(base.folder, module.manifest, role.signature)).map((path) => ({
      path,
      ofBase: path,
    })),
  ];
  await checkComposed(pipe, argument, { files, composition, role });
  return files;
}

/** The base's graph with the head behind its embedding. */
function composed(base: ModelProto, embedding: string, { settings, trained }: Composition): ModelProto {
  const { parameters } = trained.result;
  const head = buildHead(settings.head, trained.ends, parameters, opsetOf(base));
  const scores = { ...head, graph: head.graph && onlyOutput(head.graph, SCORES) };
  return joinModels(base, scores, { feeds: new Map([["features", embedding]]) });
}

const onlyOutput = (graph: NonNullable<ModelProto["graph"]>, name: string) => ({
  ...graph,
  output: graph.output.filter((value) => value.name === name),
});

function writeGraph(model: ModelProto, path: string): void {
  const descriptor = openSync(path, "w");
  try {
    writeModel(model, descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Throws `data-label-invalid` for names that a file of a class a line can't hold. */
function checkClasses(classes: readonly string[]): void {
  const bad = classes.find((name) => /[\r\n\0]/.test(name));
  if (bad !== undefined)
    throw problem("data-label-invalid", `The class ${JSON.stringify(bad)} holds a line break; rename it.`);
}
