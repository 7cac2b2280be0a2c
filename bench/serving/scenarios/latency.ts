import type { Context, Scenario } from "../context.ts";
import { difference, medianTimes } from "../pairs.ts";
import type { RawMemory } from "../raw/raw.ts";
import { judged, told } from "../row.ts";
import { median } from "../statistics.ts";
import { askTexts, firstTexts, modulehubServer, type TextServer } from "../text-load.ts";

/** Milliseconds of one client's requests. */
export const oneByOne = async (
  context: Context,
  server: TextServer,
  texts: readonly number[],
): Promise<number[]> => (await askTexts(context, server, texts, 1)).tookMs;

/** Milliseconds of the runs of a raw session with all cores, over the same texts. */
async function rawOneByOne(context: Context, texts: readonly number[], memory: RawMemory): Promise<number[]> {
  const child = await context.wide(memory);
  const took = await child.singles([...texts]);
  const minilm = await context.minilm();
  for (const [item, row] of await child.rows()) minilm.check(item, row);
  return took;
}

/** One client, against the bare call on all cores. */
export const latency: Scenario = async (context) => {
  const { minilm } = await context.served();
  const order = firstTexts(context.options.quick ? 50 : 300);
  const sides = {
    direct: (texts: readonly number[]) => oneByOne(context, modulehubServer(minilm.direct), texts),
    raw: (texts: readonly number[]) => rawOneByOne(context, texts, "own"),
    sameMemory: (texts: readonly number[]) => rawOneByOne(context, texts, "worker"),
    gateway: (texts: readonly number[]) => oneByOne(context, modulehubServer(minilm.gateway), texts),
  };
  // As in a server that has been up for a minute: its code is compiled as far as it will be.
  for (let times = 0; times < (context.options.quick ? 1 : 4); times++) await sides.direct(order);
  for (const side of Object.values(sides)) await side(order);
  const found = await medianTimes(context.options.pairs, order, sides);
  const unit = " ms";
  return [
    judged(
      "one client, p50 direct − raw run on all cores",
      "p50OverRawMs",
      difference(found.direct, found.raw),
      { atMost: 1 },
      { unit },
    ),
    told(
      "one client, p50 through the gateway − raw",
      "gatewayP50OverRawMs",
      difference(found.gateway, found.raw),
      unit,
    ),
    told(
      "one client, p50 direct − raw with the worker's memory",
      "p50OverSameMemoryMs",
      difference(found.direct, found.sameMemory),
      unit,
    ),
    told("  raw p50", "rawP50Ms", median(found.raw), unit),
    told("  raw p50 with the worker's memory", "rawSameMemoryP50Ms", median(found.sameMemory), unit),
    told("  direct p50", "directP50Ms", median(found.direct), unit),
    told("  gateway p50", "gatewayP50Ms", median(found.gateway), unit),
  ];
};
