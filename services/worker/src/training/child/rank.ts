import { open } from "node:fs/promises";
import { type JobTask, problem, type RankResult } from "@modulehub/core";
import { nearestNeighbour, sampleRows } from "@modulehub/dataset/metrics";
import type { JobArgument } from "../job-messages.ts";
import { embedData } from "./embed-data.ts";
import { examplesOf, openData } from "./read-data.ts";
import type { WorkerPipe } from "./worker-pipe.ts";

/**
 * Says which of several modules suits a data set best: how often an example's nearest neighbour, by each module's
 * embeddings, has another label. Nothing is trained, so that it costs one embedding of a sample for each module.
 */
export async function rank(
  pipe: WorkerPipe,
  argument: JobArgument,
  task: Extract<JobTask, { kind: "rank" }>,
): Promise<RankResult> {
  const started = performance.now();
  const data = await openData(pipe, argument);
  if (task.dataSet.reading.target !== "class")
    throw problem(
      "data-label-invalid",
      "Neighbours are compared by one class each; the target must be class.",
    );
  const rows = sampleRows(data.examples, task.examples, task.dataSet.reading.split.seed);
  const which = Uint32Array.from(rows);
  const labels = await labelsAt(data, which);
  const candidates: RankResult["candidates"] = [];
  for (const [module, { handle, digest }] of task.candidates.entries()) {
    const embedded = await embedData(pipe, argument, module, data, { which, of: handle });
    await pipe.tell({ kind: "progress", progress: { stage: "evaluating", of: handle } });
    const vectors = await readFloats(embedded.path, which.length * embedded.features);
    const nearest = nearestNeighbour(
      { vectors, features: embedded.features, labels },
      task.metric,
      data.examples,
    );
    await pipe.tell({
      kind: "log",
      level: "info",
      text: `${handle}: ${nearest.wrong} of ${nearest.examples} have a nearest neighbour of another class.`,
    });
    candidates.push({
      handle,
      digest,
      features: embedded.features,
      nearest,
      examplesPerSecond: embedded.seconds > 0 ? which.length / embedded.seconds : 0,
    });
  }
  candidates.sort((a, b) => a.nearest.error - b.nearest.error || a.features - b.features);
  return {
    kind: "rank",
    data: data.report,
    candidates,
    seconds: { total: (performance.now() - started) / 1_000 },
  };
}

async function labelsAt(data: Parameters<typeof examplesOf>[0], which: Uint32Array): Promise<Int32Array> {
  const labels = new Int32Array(which.length);
  let next = 0;
  for await (const { at, target } of examplesOf(data)) {
    if (which[next] !== at) continue;
    labels[next++] = target.kind === "class" ? target.class : -1;
    if (next === which.length) break;
  }
  return labels;
}

async function readFloats(path: string, count: number): Promise<Float32Array> {
  await using handle = await open(path, "r");
  const values = new Float32Array(count);
  const bytes = new Uint8Array(values.buffer);
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(bytes.length - done, 2 ** 30), done);
    if (bytesRead === 0) throw problem("internal", "The embeddings became shorter while they were read.");
    done += bytesRead;
  }
  return values;
}
