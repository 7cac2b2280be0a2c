import { setTimeout as sleep } from "node:timers/promises";
import { type BenchHub, startBenchHub } from "../bench-hub.ts";
import type { Scenario } from "../context.ts";
import type { CorpusText } from "../corpus.ts";
import { interleaved, ratio } from "../pairs.ts";
import { judged, type Row, told } from "../row.ts";
import { firstTexts, modulehubServer, textsPerSecond } from "../text-load.ts";

/** Which texts of the corpus, in order of asking. */
const LENGTHS: Record<string, (corpus: readonly CorpusText[]) => number[]> = {
  "log-normal": (corpus) => [...corpus.keys()],
  "≤ 16 tokens": (corpus) => [...corpus.keys()].filter((index) => corpus[index]!.tokens <= 16),
  "the 20 longest": longest,
  "every 4th long": (corpus) => {
    const short = [...corpus.keys()].filter((index) => corpus[index]!.tokens <= 16);
    return longest(corpus).flatMap((index, at) => [index, ...short.slice(3 * at, 3 * at + 3)]);
  },
};

function longest(corpus: readonly CorpusText[]): number[] {
  return [...corpus.keys()].sort((a, b) => corpus[b]!.tokens - corpus[a]!.tokens).slice(0, 20);
}

const CLIENTS = [1, 2, 4, 8, 32];

/** Tokens of one measurement, so that each takes about as long. */
const TOKENS = 12_000;

/** Thirty-two of the longest take longer than requests may wait by default: here none is refused. */
const PATIENT = { MODULEHUB_QUEUE_SECONDS: "60" };

/** Any mix of lengths and clients, against the same worker with batching off. */
export const mixes: Scenario = async (context) => {
  const { corpus, folder } = await context.minilm();
  const { pairs, quick } = context.options;
  const batching = await startBenchHub(PATIENT);
  const single = await startBenchHub({ ...PATIENT, MODULEHUB_BATCHING: "off" });
  try {
    const served = await Promise.all([batching, single].map((hub) => hub.publish(folder, "bench/minilm")));
    const servers = { on: modulehubServer(served[0]!.direct), off: modulehubServer(served[1]!.direct) };
    // As in servers that have been up for a minute: code is compiled, graphs are optimised, engines are there.
    for (const server of Object.values(servers))
      for (const clients of [32, 1]) await textsPerSecond(context, server, firstTexts(200), clients);
    await Promise.all([batching, single].map(optimized));
    const rows: Row[] = [];
    for (const [name, choose] of Object.entries(LENGTHS))
      for (const clients of quick ? [1, 32] : CLIENTS) {
        const order = repeated(choose(corpus), corpus, quick ? TOKENS / 6 : TOKENS);
        const found = await interleaved(pairs, {
          on: () => textsPerSecond(context, servers.on, order, clients),
          off: () => textsPerSecond(context, servers.off, order, clients),
        });
        rows.push(
          told(
            `  ${name}, ${clients} client${clients > 1 ? "s" : ""}`,
            `mix ${name} ${clients}`,
            ratio(found.on, found.off),
          ),
        );
      }
    const least = Math.min(...rows.flatMap(({ figures }) => Object.values(figures)));
    const evidence = (await batching.metrics()).sum("modulehub_worker_batch_items_count");
    return [
      judged(
        "any mix of lengths and clients ÷ batching off, the least",
        "leastMixOverUnbatched",
        least,
        {
          atLeast: 0.97,
        },
        { note: `${evidence} batches so far` },
      ),
      ...rows,
    ];
  } finally {
    await Promise.all([batching.stop(), single.stop()]);
  }
};

/** Resolves when a worker has optimised its module's graph, which takes cores for a second or two. */
async function optimized(hub: BenchHub): Promise<void> {
  const done = async () => {
    const metrics = await hub.metrics();
    const ended = ["optimizations_total", "optimizations_failed_total"].map((name) =>
      metrics.sum(`modulehub_worker_engine_${name}`),
    );
    return ended.some((count) => count > 0);
  };
  while (!(await done())) await sleep(200);
}

/** Texts from the list, from its beginning again where it is too short, until they have so many tokens. */
function repeated(list: readonly number[], corpus: readonly CorpusText[], tokens: number): number[] {
  const order: number[] = [];
  for (let left = tokens; left > 0; left -= corpus[order.at(-1)!]!.tokens)
    order.push(list[order.length % list.length]!);
  return order;
}
