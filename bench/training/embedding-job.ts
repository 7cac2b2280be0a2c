import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serialize } from "node:v8";
import { openModule } from "@modulehub/runtime";
import { startBenchHub } from "../serving/bench-hub.ts";
import { CORES } from "../serving/context.ts";
import { interleaved, ratio } from "../serving/pairs.ts";
import type { RawItem } from "../serving/raw/contract.ts";
import { closedLoop, RawChild } from "../serving/raw/raw.ts";
import { judged, type Row, told } from "../serving/row.ts";
import { median } from "../serving/statistics.ts";
import { dataFile, trainJob } from "./job.ts";
import { minilmModule, spread } from "./minilm.ts";
import { readReviews } from "./reviews.ts";

const HANDLE = "bench/minilm";
/** Texts that a job asks for at once: the raw runs make batches of as many. */
const OUTSTANDING = 128;

/** Seconds in which a job embeds reviews, against the runtime alone with the batches that the worker would make of them. */
export async function embeddingJob(archive: string, count: number, pairs: number): Promise<Row[]> {
  const reviews = spread(readReviews(archive).train, count);
  const place = mkdtempSync(join(tmpdir(), "modulehub-bench-"));
  const folder = await minilmModule();
  const { path: compiled } = await (await openModule(folder)).compile("default");
  const items = await rawItems(folder, reviews.texts, join(place, "items.v8"));
  const raw = [CORES, 1].map((threads) => RawChild.start(compiled, items.file, threads));
  const [wide, narrow] = await Promise.all(raw);
  const hub = await startBenchHub();
  try {
    await hub.publish(folder, HANDLE);
    const alone = async (child: RawChild) => {
      const { wallMs } = await closedLoop([child], items.lengths, items.order, OUTSTANDING);
      await child.rows();
      return wallMs / 1000;
    };
    let run = 0;
    const job = async () => {
      const data = dataFile(place, reviews, `run-${run++}`);
      return (await trainJob(hub, HANDLE, data, { steps: 1 })).embeddingSeconds;
    };
    const took = await interleaved(pairs, { job, wide: () => alone(wide!), narrow: () => alone(narrow!) });
    return [
      told(`a job embeds ${reviews.texts.length} reviews`, "embeddingSeconds", median(took.job), " s"),
      told(`the runtime alone, ${CORES} threads`, "embeddingRawSeconds", median(took.wide), " s"),
      told("the runtime alone, one thread", "embeddingNarrowSeconds", median(took.narrow), " s"),
      judged("reviews a second ÷ the runtime's", "embeddingRatio", ratio(took.wide, took.job), {
        atLeast: 0.9,
      }),
    ];
  } finally {
    await Promise.all([wide?.stop(), narrow?.stop(), hub.stop()]);
    rmSync(place, { recursive: true });
  }
}

/** Tokens of texts for a raw child, their lengths, and their order by the number of letters, which is that of a job. */
async function rawItems(folder: string, texts: readonly string[], file: string) {
  const module = await openModule(folder);
  const items: RawItem[] = [];
  for (const text of texts) {
    const input = { dtype: "string" as const, shape: [1], data: [text] };
    items.push(new Map((await module.prepare("default", new Map([["text", input]]))).feeds));
  }
  writeFileSync(file, serialize(items));
  const order = texts.map((_, at) => at).sort((a, b) => texts[a]!.length - texts[b]!.length);
  return { file, lengths: items.map((item) => item.get("input_ids")?.shape[1] ?? 0), order };
}
