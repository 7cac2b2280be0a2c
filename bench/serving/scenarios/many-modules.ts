import { dirname } from "node:path";
import { textBody, vectorOf } from "../bench-hub.ts";
import { CORES, type Scenario } from "../context.ts";
import { startLoneWorker, storedFolder } from "../lone-worker.ts";
import { askOnce } from "../once.ts";
import { known, residentBytes, treeOf } from "../processes.ts";
import { RawChild } from "../raw/raw.ts";
import { judged, type Row, told } from "../row.ts";
import { median } from "../statistics.ts";

/** What the worker counts for a module before it is measured, thrice, and an engine with nothing in it. */
const BUDGET_MB = 3 * 230 + 90;

/** Rounds at most until all graphs are there in optimised form. */
const WARM_ROUNDS = 15;

/** Many modules in turn, so that each is cold: the one that was used longest ago is the next. */
export const manyModules: Scenario = async (context) => {
  const minilm = await context.minilm();
  const count = context.options.quick ? 6 : 30;
  const folder = dirname(dirname(minilm.compiled));
  const modules = Array.from({ length: count }, (_, index) => storedFolder(folder, {}, `copy ${index}`));
  const budget = BUDGET_MB * 1e6;
  const worker = await startLoneWorker(modules, {
    MODULEHUB_MEMORY_BUDGET: String(budget),
    MODULEHUB_LOG_LEVEL: "silent",
  });
  const body = textBody(minilm.corpus[0]!.text);
  let peak = 0;
  let most = 0;
  const hit = async (index: number) => {
    const { ms, answer } = await askOnce(context, worker.call(modules[index]!), body);
    minilm.check(0, vectorOf(answer));
    if (known) peak = Math.max(peak, residentBytes(treeOf(worker.pid)));
    return ms;
  };
  try {
    // The first time files are fetched and graphs compiled; a while later all are optimised.
    const optimized = async () => (await worker.metrics()).sum("modulehub_worker_engine_optimizations_total");
    let rounds = 0;
    do for (const index of modules.keys()) await hit(index);
    while (++rounds < WARM_ROUNDS && (await optimized()) < count);
    const kept = await optimized();
    const ratios: number[] = [];
    const hits: number[] = [];
    for (let pair = 0; pair < context.options.pairs; pair++) {
      const cold: number[] = [];
      for (const index of modules.keys()) {
        cold.push(await hit(index));
        most = Math.max(most, (await worker.metrics()).sum("modulehub_worker_engines"));
      }
      const raw = await RawChild.start(minilm.compiled, minilm.itemsFile, CORES);
      await raw.stop();
      ratios.push(median(cold) / (raw.createMs + raw.runMs));
      hits.push(median(cold));
    }
    const metrics = await worker.metrics();
    const killed = metrics.sum("modulehub_worker_engine_memory_kills_total");
    const rows: Row[] = [
      judged(
        `${count} modules, a budget for 3: engines ended for memory`,
        "manyMemoryKills",
        killed,
        { atMost: 0 },
        {
          note: `at most ${most} loaded at once`,
        },
      ),
      judged("  cold hit ÷ raw create + run", "coldHitVsRaw", median(ratios), { atMost: 1.2 }),
      told(
        "  cold hit",
        "coldHitMs",
        median(hits),
        " ms",
        `${kept} graphs in optimised form after ${rounds} rounds`,
      ),
    ];
    if (known)
      rows.push(told("  worker and engines held at most ÷ the budget", "manyMemoryVsBudget", peak / budget));
    return rows;
  } finally {
    await worker.stop();
  }
};
