import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assembleExample, listExamples } from "@modulehub/examples";
import { startBenchHub } from "../serving/bench-hub.ts";
import { jobsOf, known, peakBytes } from "../serving/processes.ts";
import { judged, type Row, told, unmeasured } from "../serving/row.ts";
import { dataFile, trainJob } from "./job.ts";
import type { Reviews } from "./reviews.ts";

const BASE = "modulehub/nnlm-en-dim100-with-normalization";
const GOAL = "peak of the larger job without its embeddings ÷ the smaller's";
const WORDS =
  "wonderful great brilliant moving awful boring terrible dull film story actor scene music".split(" ");

/** Rows of a kilobyte each: 50,000 of them would not go unnoticed. */
const texts = (count: number): Reviews => ({
  texts: Array.from({ length: count }, (_, row) =>
    Array.from({ length: 150 }, (_, at) => WORDS[(row * 7 + at * (1 + (row % 11))) % WORDS.length]).join(" "),
  ),
  labels: Int32Array.from({ length: count }, (_, row) => row % 2),
});

/** What a job's process holds at the most, on a few rows and on ten times as many. */
export async function jobMemory(sizes: readonly [number, number]): Promise<Row[]> {
  if (!known) return [unmeasured(GOAL, "memory of processes can be told on Linux only")];
  const listed = (await listExamples()).find(({ handle }) => handle === BASE);
  if (!listed) throw new Error(`${BASE} is no example`);
  const place = mkdtempSync(join(tmpdir(), "modulehub-bench-"));
  const hub = await startBenchHub();
  try {
    const { folder } = await assembleExample(listed, join(place, "base"));
    await hub.publish(folder, "bench/nnlm");
    const runs: { peak: number; embeddings: number }[] = [];
    for (const rows of sizes) {
      const data = dataFile(place, texts(rows), `rows-${rows}`);
      let peak = 0;
      const watch = setInterval(() => {
        peak = Math.max(peak, ...jobsOf(hub.workerPid).map(peakBytes));
      }, 20);
      const { embeddingBytes } = await trainJob(hub, "bench/nnlm", data, { steps: 500 });
      clearInterval(watch);
      runs.push({ peak, embeddings: embeddingBytes });
    }
    const [few, many] = runs as [(typeof runs)[number], (typeof runs)[number]];
    return [
      told(`a job on ${sizes[0]} rows of 1 KB, at the most`, "jobPeakFewMB", few.peak / 1e6, " MB"),
      told(`on ${sizes[1]}`, "jobPeakManyMB", many.peak / 1e6, " MB"),
      told("  of these, embeddings", "jobEmbeddingsMB", many.embeddings / 1e6, " MB"),
      judged(GOAL, "jobMemoryRatio", (many.peak - many.embeddings) / (few.peak - few.embeddings), {
        atMost: 1.1,
      }),
    ];
  } finally {
    await hub.stop();
    rmSync(place, { recursive: true });
  }
}
