import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startBenchHub, textBody } from "../serving/bench-hub.ts";
import { Load } from "../serving/load/load.ts";
import { openMiniLm } from "../serving/minilm.ts";
import { judged, type Row, told } from "../serving/row.ts";
import { percentile } from "../serving/statistics.ts";
import { dataFile, startJob } from "./job.ts";
import { minilmModule, spread } from "./minilm.ts";
import { readReviews } from "./reviews.ts";

const HANDLE = "bench/minilm";
/** Texts a second: some tenth of what the worker can do. */
const PER_SECOND = 20;
/** Reviews that keep a job busy for long enough, and a head that does. */
const REVIEWS = 4000;
const HEAD = { head: { hidden: [500, 100] }, steps: 10_000_000 };

/** How long others wait while a job embeds, and while it trains. */
export async function besideJob(archive: string, forMs: number): Promise<Row[]> {
  const { train } = readReviews(archive);
  const { corpus } = await openMiniLm();
  const place = mkdtempSync(join(tmpdir(), "modulehub-bench-"));
  const load = new Load();
  const hub = await startBenchHub();
  try {
    const { direct } = await hub.publish(await minilmModule(), HANDLE);
    const p99 = async () => {
      const { tookMs, status } = await load.run({
        to: direct,
        bodies: corpus.map(({ text }) => textBody(text)),
        pace: { kind: "open", perSecond: PER_SECOND, forMs },
      });
      const failed = status.filter((code) => code !== 200).length;
      if (failed > 0) throw new Error(`${failed} of ${status.length} requests failed`);
      return percentile(tookMs, 0.99);
    };
    await p99();
    const before = await p99();
    const during: number[] = [];
    for (const [stage, reviews] of [
      ["embedding", REVIEWS],
      ["training", 64],
    ] as const) {
      const job = await startJob(hub, HANDLE, dataFile(place, spread(train, reviews), stage), HEAD);
      await job.reached(stage);
      during.push(await p99());
      await job.cancel();
    }
    const alone = (before + (await p99())) / 2;
    const [embedding = 0, training = 0] = during;
    return [
      told(`${PER_SECOND} texts a second alone, p99`, "besideAloneMs", alone, " ms"),
      judged("beside a job that embeds, p99 ÷ alone", "besideEmbedding", embedding / alone, { atMost: 1.5 }),
      judged("beside a job that trains, p99 ÷ alone", "besideTraining", training / alone, { atMost: 1.5 }),
    ];
  } finally {
    load.close();
    await hub.stop();
    rmSync(place, { recursive: true });
  }
}
