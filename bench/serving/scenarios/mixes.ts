import { setTimeout as sleep } from "node:timers/promises";
import { type BenchHub, startBenchHub } from "../bench-hub.ts";
import type { Context, Scenario } from "../context.ts";
import type { CorpusText } from "../corpus.ts";
import { ratio } from "../pairs.ts";
import { judged, shown, told } from "../row.ts";
import { firstTexts, modulehubServer, type TextServer, textsPerSecond } from "../text-load.ts";

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

/** What each mix is to come to. */
const GOAL = 0.97;

/** Tokens of one measurement, so that each takes about as long. */
const TOKENS = 12_000;

/** Thirty-two of the longest take longer than requests may wait by default: here none is refused. */
const PATIENT = { MODULEHUB_QUEUE_SECONDS: "60" };
const UNBATCHED = { ...PATIENT, MODULEHUB_BATCHING: "off" };

/**
 * `offToo` is as `off`: what those differ by is processes and the machine, not batching. The baseline is the mean of
 * the two.
 */
const SETTINGS = { on: PATIENT, off: UNBATCHED, offToo: UNBATCHED };
type Side = keyof typeof SETTINGS;
const SIDES = Object.keys(SETTINGS) as Side[];

interface Mix {
  name: string;
  order: number[];
  clients: number;
  /** Texts a second, one a pair. */
  found: Record<Side, number[]>;
}

/**
 * Any mix of lengths and clients against a worker with batching off, and such a worker against another. Each pair has
 * workers of its own, for one process differs from the next by some percent as long as it lives.
 */
export const mixes: Scenario = async (context) => {
  const { corpus } = await context.minilm();
  const { pairs, quick } = context.options;
  const all = Object.entries(LENGTHS).flatMap(([name, choose]) =>
    (quick ? [1, 32] : CLIENTS).map(
      (clients): Mix => ({
        name: `${name}, ${clients} client${clients > 1 ? "s" : ""}`,
        order: repeated(choose(corpus), corpus, quick ? TOKENS / 6 : TOKENS),
        clients,
        found: { on: [], off: [], offToo: [] },
      }),
    ),
  );
  for (let pair = 0; pair < pairs; pair++) await measurePair(context, all, pair);
  // The least of twenty is mostly the unluckiest: those that seem to miss the goal have twice as many pairs more.
  const doubtful = all.filter((mix) => overUnbatched(mix) < GOAL);
  if (doubtful.length > 0)
    for (let pair = pairs; pair < 3 * pairs; pair++) await measurePair(context, doubtful, pair);
  const ratios = all.map((mix) => ({
    name: mix.name,
    pairs: mix.found.on.length,
    batching: overUnbatched(mix),
    noise: ratio(mix.found.offToo, mix.found.off),
  }));
  return [
    judged(
      "any mix of lengths and clients ÷ batching off, the least",
      "leastMixOverUnbatched",
      Math.min(...ratios.map(({ batching }) => batching)),
      { atLeast: GOAL },
    ),
    told(
      "  batching off ÷ batching off in another process, the least",
      "leastMixNoise",
      Math.min(...ratios.map(({ noise }) => noise)),
    ),
    ...ratios.map(({ name, batching, noise, pairs: count }) =>
      told(`  ${name}`, `mix ${name}`, batching, "", `off ÷ off ${shown(noise)}, ${count} pairs`),
    ),
  ];
};

/** Median over pairs of texts a second ÷ the mean of two workers that don't batch. */
const overUnbatched = ({ found: { on, off, offToo } }: Mix): number =>
  ratio(
    on,
    off.map((value, pair) => Math.sqrt(value * offToo[pair]!)),
  );

/** Each mix by each of three new workers, which take turns in going first. */
async function measurePair(context: Context, all: readonly Mix[], pair: number): Promise<void> {
  const hubs: BenchHub[] = [];
  try {
    const servers = {} as Record<Side, TextServer>;
    for (const side of SIDES) {
      const hub = await startBenchHub(SETTINGS[side]);
      hubs.push(hub);
      const { direct } = await hub.publish((await context.minilm()).folder, "bench/minilm");
      servers[side] = modulehubServer(direct);
    }
    // As in servers that have been up for a minute: code is compiled, graphs are optimised, engines are there.
    for (const server of Object.values(servers))
      for (const clients of [32, 1]) await textsPerSecond(context, server, firstTexts(200), clients);
    await Promise.all(hubs.map(optimized));
    for (const [at, { order, clients, found }] of all.entries())
      for (const turn of SIDES.keys()) {
        const side = SIDES[(turn + at + pair) % SIDES.length]!;
        found[side].push(await textsPerSecond(context, servers[side], order, clients));
      }
  } finally {
    await Promise.all(hubs.map((hub) => hub.stop()));
  }
}

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
