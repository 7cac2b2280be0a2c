import { textBody } from "../bench-hub.ts";
import type { Context, Scenario } from "../context.ts";
import { drawTexts } from "../corpus.ts";
import type { LoadJob, LoadReport, LoadRequest } from "../load/contract.ts";
import { judged, told } from "../row.ts";
import { median, percentile, seededRandom } from "../statistics.ts";

/** Short texts a second: few, so that they need hardly any of the machine. */
const SHORT_PER_SECOND = 10;
const LONG_CLIENTS = 8;

/** Short texts while long ones keep the machine busy, and what that costs the long ones. */
export const shortLane: Scenario = async (context) => {
  const { minilm } = await context.served();
  const { pairs, quick } = context.options;
  const forMs = quick ? 4000 : 20_000;
  const { short, long } = await jobs(context, minilm.direct, forMs);
  const shortAlone: number[] = [];
  const shortBeside: number[] = [];
  const longAlone: number[] = [];
  const longBeside: number[] = [];
  const p99 = (report: LoadReport) => percentile(succeeded(report), 0.99);
  const perSecond = (report: LoadReport) => (succeeded(report).length / report.wallMs) * 1000;
  for (let pair = 0; pair < pairs; pair++) {
    shortAlone.push(p99(await context.load.run(short)));
    longAlone.push(perSecond(await context.load.run(long)));
    const [shorts, longs] = await Promise.all([context.load.run(short), context.load.run(long)]);
    shortBeside.push(p99(shorts));
    longBeside.push(perSecond(longs));
  }
  const over = (a: number[], b: number[]) => median(a.map((value, pair) => value / b[pair]!));
  return [
    judged(
      "short texts beside 256-token ones: p99 ÷ alone",
      "shortP99VsAlone",
      over(shortBeside, shortAlone),
      {
        atMost: 2,
      },
    ),
    judged("  long throughput ÷ without them", "longThroughputVsAlone", over(longBeside, longAlone), {
      atLeast: 0.95,
    }),
    told("  short p99 alone", "shortP99AloneMs", median(shortAlone), " ms"),
    told("  short p99 beside long ones", "shortP99BesideMs", median(shortBeside), " ms"),
    told("  long alone", "longPerSecond", median(longAlone), "/s"),
  ];
};

/** Milliseconds of each request; throws where one failed. */
function succeeded(report: LoadReport): number[] {
  const failed = report.status.filter((code) => code !== 200);
  if (failed.length > 0) throw new Error(`${failed.length} requests failed, with ${[...new Set(failed)]}`);
  return report.tookMs;
}

/** Texts of at most 32 tokens at a steady rate, and of 256 by clients that ask at once again. */
async function jobs(
  context: Context,
  to: LoadRequest,
  forMs: number,
): Promise<{ short: LoadJob; long: LoadJob }> {
  const { vocabulary } = await context.minilm();
  const random = seededRandom(11);
  const bodies = (count: number, draw: () => number) =>
    drawTexts(vocabulary, count, random, draw).map(({ text }) => textBody(text));
  return {
    short: {
      to,
      bodies: bodies(200, () => 4 + Math.floor(random() * 29)),
      pace: { kind: "open", perSecond: SHORT_PER_SECOND, forMs },
    },
    long: {
      to,
      bodies: bodies(200, () => 256),
      pace: { kind: "closed", clients: LONG_CLIENTS, forMs },
    },
  };
}
