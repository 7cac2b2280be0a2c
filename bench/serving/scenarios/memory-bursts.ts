import { setTimeout as sleep } from "node:timers/promises";
import { textBody } from "../bench-hub.ts";
import type { Context, Scenario } from "../context.ts";
import { drawTexts } from "../corpus.ts";
import type { LoadRequest } from "../load/contract.ts";
import { enginesOf, known, residentBytes, treeOf } from "../processes.ts";
import { judged, told, unmeasured } from "../row.ts";
import { seededRandom } from "../statistics.ts";

const GOAL = "memory 5 s after a burst of the largest texts ÷ before";

/** What the worker and its engines hold after a burst of the largest shapes, without an engine ending. */
export const memoryBursts: Scenario = async (context) => {
  if (!known) return [unmeasured(GOAL, "memory of processes can be told on Linux only")];
  const { hub, minilm } = await context.served();
  const { vocabulary } = await context.minilm();
  const random = seededRandom(13);
  const bodies = (tokens: number) =>
    drawTexts(vocabulary, 64, random, () => tokens).map(({ text }) => textBody(text));
  const burst = bodies(256);
  // Every engine that comes under load is there, and has run something, before memory is compared.
  let there = -1;
  for (let rounds = 0; rounds < 10 && there !== enginesOf(hub.workerPid).length; rounds++) {
    there = enginesOf(hub.workerPid).length;
    await ask(context, minilm.direct, [...bodies(40), ...bodies(40), ...bodies(40)]);
    await sleep(2000);
  }
  await sleep(3000);
  const engines = enginesOf(hub.workerPid);
  const memory = () => residentBytes(treeOf(hub.workerPid));
  const before = memory();
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, memory());
  }, 50);
  const { length } = await ask(context, minilm.direct, burst);
  clearInterval(watch);
  await sleep(5000);
  const after = memory();
  const gone = engines.filter((pid) => !enginesOf(hub.workerPid).includes(pid)).length;
  return [
    judged(
      GOAL,
      "memoryAfterBurst",
      after / before,
      { atMost: 1.1 },
      {
        note: `${length} requests; ${gone} of ${engines.length} engines ended`,
      },
    ),
    told("  before", "memoryBeforeBurstMB", before / 1e6, " MB"),
    told("  at the most", "memoryBurstPeakMB", peak / 1e6, " MB"),
  ];
};

/** By 16 clients; throws where one fails, a refusal apart. */
async function ask(context: Context, to: LoadRequest, bodies: string[]): Promise<number[]> {
  const { status, tookMs } = await context.load.run({
    to,
    bodies,
    pace: { kind: "closed", clients: 16, requests: bodies.length },
  });
  const failed = status.filter((code) => code !== 200 && code !== 429);
  if (failed.length > 0) throw new Error(`${failed.length} requests failed, with ${[...new Set(failed)]}`);
  return tookMs;
}
