import { copyFile, link, mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type EmbeddingRole, problem, type Tensor } from "@modulehub/core";
import type { Example } from "@modulehub/dataset";
import { openLocalModule } from "@modulehub/runtime";
import { openSession } from "@modulehub/runtime/session";
import type { JobArgument, MadeFile } from "../job-messages.ts";
import type { Composition } from "./compose-module.ts";
import { inputOf } from "./feature-source.ts";
import { examplesOf } from "./read-data.ts";
import { scoresOf } from "./score-splits.ts";
import type { WorkerPipe } from "./worker-pipe.ts";

/** Examples on which the composed module is held against the base and the head. */
const SAMPLES = 16;
/** The most that a score may differ, of numbers up to 1; more of larger ones. */
const TOLERANCE = 1e-6;

/**
 * Runs the composed module on examples, each alone, beside the base and the trained head one after the other: the same
 * scores within 1e-6 × max(1, the largest), and the same labels. Throws `internal`, with the difference, otherwise:
 * composing has then gone wrong, and nothing is published.
 */
export async function checkComposed(
  pipe: WorkerPipe,
  argument: JobArgument,
  parts: { files: readonly MadeFile[]; composition: Composition; role: EmbeddingRole },
): Promise<void> {
  const { composition, role } = parts;
  const folder = await assembled(argument, parts.files);
  const options = { threads: argument.threads };
  const examples = await firstOf(composition);
  const logits = await composition.trained.logitsOf(examples);
  const { output } = composition.settings.head;
  const local = await openLocalModule(folder, openSession, options);
  try {
    let worst = 0;
    for (const [index, example] of examples.entries()) {
      const { outputs } = await local.run("default", inputOf(role, [example]));
      const said = byClass(outputs, composition);
      const width = logits.length / examples.length;
      const expected = scoresOf(output, logits.subarray(index * width, (index + 1) * width));
      const scale = Math.max(1, ...expected.map(Math.abs));
      for (const [at, value] of said.entries())
        worst = Math.max(worst, Math.abs(value - (expected[at] ?? Number.NaN)) / scale);
      if (said.length !== expected.length || !(worst <= TOLERANCE))
        throw problem(
          "internal",
          `The composed module differs from its base and head by ${worst} on ${example.id}.`,
        );
    }
    await pipe.tell({
      kind: "log",
      level: "info",
      text: `The composed module gives the scores of base and head within ${worst.toExponential(1)} on ${examples.length} examples.`,
    });
  } finally {
    await local.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function assembled(argument: JobArgument, files: readonly MadeFile[]): Promise<string> {
  const folder = join(argument.folder, "composed");
  for (const file of files) {
    const from =
      "file" in file ? join(argument.folder, file.file) : join(argument.modules[0]!.folder, file.ofBase);
    const to = join(folder, file.path);
    await mkdir(dirname(to), { recursive: true });
    await link(from, to).catch(() => copyFile(from, to));
  }
  return folder;
}

async function firstOf({ data }: Composition): Promise<Example[]> {
  const examples: Example[] = [];
  const every = Math.max(1, Math.floor(data.examples / SAMPLES));
  for await (const example of examplesOf(data)) {
    if (example.at % every === 0) examples.push(example);
    if (examples.length === SAMPLES) break;
  }
  return examples;
}

/** Scores in the order of the classes; of a linear head, its numbers. */
function byClass(outputs: ReadonlyMap<string, Tensor>, { data, settings }: Composition): Float32Array {
  if (settings.head.output === "linear") return floats([...outputs.values()][0]);
  const named = (suffix: string) => [...outputs].find(([name]) => name.endsWith(suffix))?.[1];
  const labels = named(".labels");
  const scores = floats(named(".scores"));
  if (labels?.dtype !== "string") throw new Error("The composed module gave no labels.");
  const by = new Map(labels.data.map((label, rank) => [label, scores[rank]!]));
  return Float32Array.from(data.plan.classes, (name) => by.get(name) ?? Number.NaN);
}

function floats(tensor: Tensor | undefined): Float32Array {
  if (tensor?.dtype !== "float32") throw new Error("The composed module gave no scores.");
  return tensor.data;
}
