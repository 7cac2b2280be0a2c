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
import { decodeModel, type ModelProto, openSource, writeModel } from "@modulehub/onnx";
import { composeClassifier, LABELS_FILE, openModule } from "@modulehub/runtime";
import type { JobArgument, MadeFile } from "../job-messages.ts";
import { checkComposed } from "./check-composed.ts";
import { baseFiles } from "./composed-files.ts";
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
 * Makes one module of a base and its head: one graph, the labels, and whatever files the base's steps before the run
 * read. Checked to give what the two give one after the other. Throws as `composeClassifier` and `checkComposed` do.
 */
export async function composeModule(
  pipe: WorkerPipe,
  argument: JobArgument,
  composition: Composition,
): Promise<MadeFile[]> {
  await pipe.tell({ kind: "progress", progress: { stage: "composing" } });
  const { data, settings, trained } = composition;
  const [base] = argument.modules;
  if (base === undefined) throw new TypeError("The job has no base.");
  const { manifest, compileTask } = await openModule(base.folder);
  const role = embeddingOutput(manifest);
  checkClasses(data.plan.classes);
  const file = (name: string) => join(argument.folder, name);
  using source = openSource(join(base.folder, compileTask(role.signature).graph));
  const composed = composeClassifier({
    base: trained.source.cut?.withTables(trained.result.tables) ?? decodeModel(source),
    manifest,
    head: settings.head,
    ends: trained.ends,
    parameters: trained.result.parameters,
    labels: data.plan.classes,
  });
  writeGraph(composed.model, file("graph"));
  await writeFile(file("manifest"), `${JSON.stringify(composed.manifest, null, 2)}\n`);
  await writeFile(file("readme"), readmeOf(composition));
  if (composed.labels !== null) await writeFile(file("labels"), composed.labels);
  const files: MadeFile[] = [
    { path: "module.json", file: "manifest" },
    { path: composed.graphPath, file: "graph" },
    { path: "README.md", file: "readme" },
    ...(composed.labels === null ? [] : [{ path: LABELS_FILE, file: "labels" }]),
    ...(await baseFiles(base.folder, { manifest, signature: role.signature, composed: composed.model })).map(
      (path) => ({ path, ofBase: path }),
    ),
  ];
  await checkComposed(pipe, argument, { files, composition, role });
  return files;
}

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
