import type { Context, Scenario } from "../context.ts";
import { difference, interleaved } from "../pairs.ts";
import type { RawMemory } from "../raw/raw.ts";
import { judged, told } from "../row.ts";
import { median } from "../statistics.ts";
import { askTexts, firstTexts, modulehubServer, type TextServer } from "../text-load.ts";

/** Median time of one client's requests. */
export async function p50(context: Context, server: TextServer, order: readonly number[]): Promise<number> {
  return median((await askTexts(context, server, order, 1)).tookMs);
}

/** Median time of a raw session with all cores, over the same texts. */
async function rawP50(context: Context, order: readonly number[], memory: RawMemory): Promise<number> {
  const child = await context.wide(memory);
  const took = await child.singles([...order]);
  const minilm = await context.minilm();
  for (const [item, row] of await child.rows()) minilm.check(item, row);
  return median(took);
}

/** One client, against the bare call on all cores. */
export const latency: Scenario = async (context) => {
  const { minilm } = await context.served();
  const order = firstTexts(context.options.quick ? 50 : 300);
  const direct = () => p50(context, modulehubServer(minilm.direct), order);
  const gateway = () => p50(context, modulehubServer(minilm.gateway), order);
  const raw = () => rawP50(context, order, "own");
  const sameMemory = () => rawP50(context, order, "worker");
  // As in a server that has been up for a minute: its code is compiled as far as it will be.
  for (let times = 0; times < (context.options.quick ? 1 : 4); times++) await direct();
  await raw();
  await sameMemory();
  const found = await interleaved(context.options.pairs, { direct, raw, sameMemory, gateway });
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
