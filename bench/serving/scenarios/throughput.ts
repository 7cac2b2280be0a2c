import type { Scenario } from "../context.ts";
import { productOperations } from "../minilm.ts";
import { interleaved, ratio } from "../pairs.ts";
import { MatrixProducts } from "../raw/matrix-products.ts";
import { judged, shown, told } from "../row.ts";
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
  const { corpus } = await context.minilm();
  const operations = order.reduce((sum, text) => sum + productOperations(corpus[text]!.tokens), 0);
  const matrices = await MatrixProducts.start();
  const products = async () => ((await matrices.operationsPerSecond()) * order.length) / operations;
  const sides = { direct, raw, sameMemory, products, gateway };
  const measure = async () => {
    for (const side of [direct, raw, sameMemory, products]) await side();
    return interleaved(context.options.pairs, sides);
  };
  const found = await measure().finally(() => matrices.stop());
  return [
    judged("32 clients, direct ÷ R32", "throughputVsR32", ratio(found.direct, found.raw), { atLeast: 0.92 }),
    told("32 clients, through the gateway ÷ R32", "gatewayThroughputVsR32", ratio(found.gateway, found.raw)),
    told(
      "32 clients, direct ÷ R32 with the worker's memory",
      "throughputVsSameMemory",
      ratio(found.direct, found.sameMemory),
    ),
    told("  R32", "r32PerSecond", median(found.raw), "/s"),
    told(
      "  the products of matrices in it, and nothing else",
      "productsPerSecond",
      median(found.products),
      "/s",
      `R32 ÷ them ${shown(ratio(found.raw, found.products))}`,
    ),
    told("  R32 with the worker's memory", "r32SameMemoryPerSecond", median(found.sameMemory), "/s"),
    told("  direct", "directPerSecond", median(found.direct), "/s"),
    told("  through the gateway", "gatewayPerSecond", median(found.gateway), "/s"),
  ];
};
