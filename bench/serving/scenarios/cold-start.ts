import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { textBody, vectorOf } from "../bench-hub.ts";
import { CORES, type Scenario } from "../context.ts";
import { startLoneWorker, storedFolder } from "../lone-worker.ts";
import { askOnce, until } from "../once.ts";
import { enginesOf, enginesWith, known } from "../processes.ts";
import { RawChild } from "../raw/raw.ts";
import { judged, told, unmeasured } from "../row.ts";
import { median } from "../statistics.ts";

const GOAL = "cold start to first result ÷ spawn + create + run";

/** The first answer of a module that no engine has, without and with a spare engine, against a raw process. */
export const coldStart: Scenario = async (context) => {
  if (!known) return [unmeasured(GOAL, "engines can be looked for on Linux only")];
  const minilm = await context.minilm();
  const module = storedFolder(dirname(dirname(minilm.compiled)));
  const worker = await startLoneWorker([module], { MODULEHUB_LOG_LEVEL: "silent" });
  const body = textBody(minilm.corpus[0]!.text);
  const first = async () => {
    const { ms, answer } = await askOnce(context, worker.call(module), body);
    minilm.check(0, vectorOf(answer));
    return ms;
  };
  const kill = (pids: readonly number[]) => {
    for (const pid of pids) process.kill(pid, "SIGKILL");
  };
  try {
    await first();
    // What is kept for later loads is written now.
    await sleep(6000);
    const cold: number[] = [];
    const onSpare: number[] = [];
    const rawWhole: number[] = [];
    const rawOpen: number[] = [];
    for (let pair = 0; pair < Math.max(3, context.options.pairs); pair++) {
      kill(enginesOf(worker.pid));
      cold.push(await first());
      await sleep(1500);
      const loaded = enginesWith(worker.pid, module.content.digest);
      if (loaded.length === 0) throw new Error("no engine says that it has the module");
      kill(loaded);
      await until("only engines without a module are there", 10, () => {
        const left = enginesOf(worker.pid);
        return left.length > 0 && left.every((pid) => !loaded.includes(pid));
      });
      await sleep(1000);
      onSpare.push(await first());
      const raw = await RawChild.start(minilm.compiled, minilm.itemsFile, CORES);
      rawWhole.push(raw.spawnMs);
      rawOpen.push(raw.createMs + raw.runMs);
      await raw.stop();
    }
    const over = (a: number[], b: number[]) => median(a.map((value, pair) => value / b[pair]!));
    return [
      judged(GOAL, "coldStartVsRaw", over(cold, rawWhole), { atMost: 0.65 }),
      judged("on the spare engine ÷ create + run", "spareStartVsRaw", over(onSpare, rawOpen), {
        atMost: 0.5,
      }),
      told("  cold start", "coldStartMs", median(cold), " ms"),
      told("  on the spare engine", "spareStartMs", median(onSpare), " ms"),
      told("  raw spawn + create + run", "rawColdMs", median(rawWhole), " ms"),
      told("  raw create + run", "rawOpenMs", median(rawOpen), " ms"),
    ];
  } finally {
    await worker.stop();
  }
};
