import { namesOf } from "../../options.ts";
import type { Context, Scenario } from "../context.ts";
import { difference, interleaved, medianTimes, ratio } from "../pairs.ts";
import { RIVALS, type Rival } from "../rivals/rivals.ts";
import { judged, type Row, told, unmeasured } from "../row.ts";
import { median } from "../statistics.ts";
import { askTexts, firstTexts, modulehubServer, textsPerSecond } from "../text-load.ts";
import { oneByOne } from "./latency.ts";

/** What people would use instead, one after the other, each in turns with the worker; `--rivals` names some of them. */
export const rivals: Scenario = async (context) => {
  const rows: Row[] = [];
  const throughput: number[] = [];
  const latency: number[] = [];
  const keys = namesOf(
    context.options.rivals,
    RIVALS.map(({ key }) => key),
  );
  for (const rival of RIVALS.filter(({ key }) => keys.includes(key))) {
    try {
      const found = await against(context, rival);
      throughput.push(found.throughput);
      latency.push(found.latency);
      rows.push(...found.rows);
    } catch (error) {
      rows.push(unmeasured(`  ${rival.name}`, error instanceof Error ? error.message : String(error)));
    }
  }
  if (throughput.length === 0)
    return [unmeasured("what people would use instead", "none of it runs here"), ...rows];
  return [
    judged("32 clients, direct ÷ the best of the others", "throughputVsBestRival", Math.min(...throughput), {
      atLeast: 1.3,
    }),
    judged(
      "one client, p50 direct − the best of the others",
      "p50OverBestRivalMs",
      Math.max(...latency),
      { atMost: 0 },
      {
        unit: " ms",
      },
    ),
    ...rows,
  ];
};

async function against(
  context: Context,
  rival: Rival,
): Promise<{ throughput: number; latency: number; rows: Row[] }> {
  const { minilm } = await context.served();
  const own = modulehubServer(minilm.direct);
  const running = await rival.start(await context.minilm());
  try {
    const { pairs, quick } = context.options;
    const many = firstTexts(quick ? 100 : 1000);
    const few = firstTexts(quick ? 30 : 200);
    await askTexts(context, running.server, few.slice(0, 8), 1);
    await askTexts(context, own, few.slice(0, 8), 1);
    const loaded = await interleaved(pairs, {
      own: () => textsPerSecond(context, own, many, 32),
      other: () => textsPerSecond(context, running.server, many, 32),
    });
    const alone = await medianTimes(pairs, few, {
      own: (texts) => oneByOne(context, own, texts),
      other: (texts) => oneByOne(context, running.server, texts),
    });
    return {
      throughput: ratio(loaded.own, loaded.other),
      latency: difference(alone.own, alone.other),
      rows: [
        told(
          `  ${rival.name}, 32 clients`,
          `${rival.name} per second`,
          median(loaded.other),
          "/s",
          times(ratio(loaded.own, loaded.other)),
        ),
        told(
          `  ${rival.name}, one client, p50`,
          `${rival.name} p50 ms`,
          median(alone.other),
          " ms",
          `the worker: ${median(alone.own).toFixed(1)} ms`,
        ),
      ],
    };
  } finally {
    await running.stop();
  }
}

const times = (value: number): string => `the worker has ${value.toFixed(2)} times as much`;
