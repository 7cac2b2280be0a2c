import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { assembleExample, listExamples } from "@modulehub/examples";
import { textBody } from "../bench-hub.ts";
import type { Scenario } from "../context.ts";
import type { LoadJob } from "../load/contract.ts";
import { startLoneWorker, storedFolder } from "../lone-worker.ts";
import { enginesOf, known, residentBytes, treeOf } from "../processes.ts";
import { judged, type Row, told } from "../row.ts";
import { median, percentile } from "../statistics.ts";

const HANDLE = "modulehub/nnlm-en-dim100";
const WORDS = 200_000;

/** One text of very many words after the other, among short ones, on the module that takes strings. */
export const longText: Scenario = async (context) => {
  const { corpus } = await context.minilm();
  const folder = mkdtempSync(join(tmpdir(), "modulehub-bench-module-"));
  const examples = await listExamples();
  const listed = examples.find(({ handle }) => handle === HANDLE);
  if (!listed) throw new Error(`there is no example ${HANDLE}, only ${examples.map(({ handle }) => handle)}`);
  const { folder: assembled } = await assembleExample(listed, folder);
  // As inspection proves it of this module: a row a text, on the first axis.
  const module = storedFolder(assembled, {
    default: { inputs: { text: 0 }, outputs: { default: 0 }, pad: {} },
  });
  const worker = await startLoneWorker([module], { MODULEHUB_LOG_LEVEL: "silent" });
  try {
    const words = corpus
      .map(({ text }) => text)
      .join(" ")
      .split(" ");
    const long = textBody(Array.from({ length: WORDS }, (_, at) => words[at % words.length]).join(" "));
    const forMs = context.options.quick ? 3000 : 15_000;
    const short: LoadJob = {
      to: worker.call(module),
      bodies: corpus.map(({ text }) => textBody(text)),
      pace: { kind: "open", perSecond: 100, forMs },
    };
    const both = () =>
      Promise.all([
        context.load.run(short),
        context.load.run({
          to: worker.call(module),
          bodies: [long],
          pace: { kind: "closed", clients: 1, forMs, pauseMs: 200 },
        }),
      ]);
    // Every engine that comes under load is there, and has run both, before memory is compared.
    const engines = () => (known ? enginesOf(worker.pid).length : 0);
    for (let rounds = 0, there = -1; rounds < 5 && (rounds < 2 || there !== engines()); rounds++) {
      there = engines();
      await both();
    }
    const engineCount = engines();
    const memory = () => (known ? residentBytes(treeOf(worker.pid)) : Number.NaN);
    const start = memory();
    let peak = start;
    const ratios: number[] = [];
    let longs = 0;
    let failed = 0;
    for (let pair = 0; pair < context.options.pairs; pair++) {
      const alone = await context.load.run(short);
      // Each look goes through all processes of the machine, 15 ms on a core that the short texts need too.
      const watch = setInterval(() => {
        peak = Math.max(peak, memory());
      }, 1000);
      const [beside, large] = await both();
      clearInterval(watch);
      longs += large.status.length;
      failed += [...alone.status, ...beside.status, ...large.status].filter((code) => code !== 200).length;
      ratios.push(percentile(beside.tookMs, 0.99) / percentile(alone.tookMs, 0.99));
    }
    await sleep(3000);
    const end = memory();
    const rows: Row[] = [
      judged(
        "a text of 200,000 words among short ones: others' p99 ÷ alone",
        "longTextOthersP99",
        median(ratios),
        { atMost: 2 },
        {
          note: `${longs} long texts`,
        },
      ),
      judged("  failed requests", "longTextFailed", failed, { atMost: 0 }),
    ];
    if (known)
      rows.push(
        judged(
          "  memory of the worker and its engines, end ÷ start",
          "longTextMemory",
          end / start,
          { atMost: 1.1 },
          { note: `${engineCount} engines at the start, ${engines()} at the end` },
        ),
        told("  at the start", "longTextMemoryStartMB", start / 1e6, " MB"),
        told("  at the most", "longTextMemoryPeakMB", peak / 1e6, " MB"),
      );
    return rows;
  } finally {
    await worker.stop();
    rmSync(folder, { recursive: true, force: true });
  }
};
