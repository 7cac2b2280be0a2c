import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Hub } from "@modulehub/client";
import type { BenchHub } from "../serving/bench-hub.ts";
import type { Reviews } from "./reviews.ts";

type Settings = Parameters<Hub["train"]>[2]["settings"];

/** What a job came to. */
export interface Ended {
  /** Seconds that it took to embed the data. */
  embeddingSeconds: number;
  /** Examples times features, in float32. */
  embeddingBytes: number;
}

/** Reviews as a file; each `name` makes other bytes of the same texts, whose embeddings no cache has. */
export function dataFile(folder: string, { texts, labels }: Reviews, name: string): string {
  const path = join(folder, `${name}.jsonl`);
  const lines = texts.map((text, at) =>
    JSON.stringify({ id: `${name}-${at}`, text, label: labels[at] === 1 ? "pos" : "neg" }),
  );
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

/** Trains on the hub. Throws an Error where the job doesn't succeed. */
export async function trainJob(
  hub: BenchHub,
  base: string,
  data: string,
  settings: Settings,
): Promise<Ended> {
  for await (const event of hub.client.train(base, data, { publisher: "bench", settings })) {
    if (event.kind !== "state") continue;
    const { state, problem, result } = event.job;
    if (problem) throw new Error(`the job ended ${state}: ${problem.detail ?? problem.title}`);
    if (result?.kind !== "train") continue;
    const examples = Object.values(result.evaluations).reduce((sum, one) => sum + one.examples, 0);
    return {
      embeddingSeconds: result.seconds.embedding,
      embeddingBytes: 4 * examples * result.features,
    };
  }
  throw new Error("the job ended without a result");
}

/** A job that is under way. */
export interface UnderWay {
  /** Resolves once the job does that: embedding or training. */
  reached(stage: "embedding" | "training"): Promise<void>;
  cancel(): Promise<void>;
}

/** Begins to train, and goes on beside what follows until it is cancelled. */
export async function startJob(
  hub: BenchHub,
  base: string,
  data: string,
  settings: Settings,
): Promise<UnderWay> {
  const created = Promise.withResolvers<string>();
  const stages = { embedding: Promise.withResolvers<void>(), training: Promise.withResolvers<void>() };
  const watch = async () => {
    for await (const event of hub.client.train(base, data, { publisher: "bench", settings })) {
      if (event.kind === "created") created.resolve(event.job.id);
      if (event.kind !== "progress") continue;
      const { stage } = event.progress;
      if (stage === "embedding" || stage === "training") stages[stage].resolve();
    }
  };
  const watching = watch().catch((error: unknown) => {
    for (const one of [created, stages.embedding, stages.training]) one.reject(error);
  });
  const id = await created.promise;
  return {
    reached: (stage) => stages[stage].promise,
    async cancel() {
      await hub.client.cancelJob(id);
      await watching;
    },
  };
}
