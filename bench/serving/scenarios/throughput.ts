import type { Scenario } from "../context.ts";
import { interleaved, ratio } from "../pairs.ts";
import { judged, told } from "../row.ts";
import { median } from "../statistics.ts";
import { firstTexts, modulehubServer, rawTextsPerSecond, textsPerSecond } from "../text-load.ts";

const CLIENTS = 32;

/** A finite set of texts by 32 clients, against R32. */
export const throughput: Scenario = async (context) => {
  const { minilm } = await context.served();
  const order = firstTexts(context.texts);
  const direct = () => textsPerSecond(context, modulehubServer(minilm.direct), order, CLIENTS);
  const gateway = () => textsPerSecond(context, modulehubServer(minilm.gateway), order, CLIENTS);
  const raw = () => rawTextsPerSecond(context, order, "own");
  const sameMemory = () => rawTextsPerSecond(context, order, "worker");
  await direct();
  await raw();
  await sameMemory();
  const found = await interleaved(context.options.pairs, { direct, raw, sameMemory, gateway });
  return [
    judged("32 clients, direct ÷ R32", "throughputVsR32", ratio(found.direct, found.raw), { atLeast: 0.92 }),
    told("32 clients, through the gateway ÷ R32", "gatewayThroughputVsR32", ratio(found.gateway, found.raw)),
    told(
      "32 clients, direct ÷ R32 with the worker's memory",
      "throughputVsSameMemory",
      ratio(found.direct, found.sameMemory),
    ),
    told("  R32", "r32PerSecond", median(found.raw), "/s"),
    told("  R32 with the worker's memory", "r32SameMemoryPerSecond", median(found.sameMemory), "/s"),
    told("  direct", "directPerSecond", median(found.direct), "/s"),
    told("  through the gateway", "gatewayPerSecond", median(found.gateway), "/s"),
  ];
};
