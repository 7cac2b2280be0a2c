import { TIMEOUT_HEADER } from "@modulehub/core";
import { textBody } from "../bench-hub.ts";
import { type Scenario, withoutGenerator } from "../context.ts";
import type { LoadReport } from "../load/contract.ts";
import { interleaved, ratio } from "../pairs.ts";
import { judged, told, unmeasured } from "../row.ts";
import { median, percentile } from "../statistics.ts";
import { checkAnswers, firstTexts, modulehubServer, textsPerSecond } from "../text-load.ts";

/** An answer that comes later than this is worth nothing. */
const WORTH_MS = 1000;

/** Requests at twice the rate that the worker can do, whatever becomes of them. */
export const overload: Scenario = async (context) => {
  const { hub, minilm } = await context.served();
  const model = await context.minilm();
  const { pairs, quick } = context.options;
  const server = modulehubServer(minilm.direct);
  const order = firstTexts(quick ? 200 : 1000);
  const forMs = quick ? 4000 : 15_000;
  const peak = () => textsPerSecond(context, server, order, 32);
  const capacity = median([await peak(), await peak()]);
  const before = await hub.metrics();
  const refusals: number[] = [];
  let withoutRetryAfter = 0;
  let others = 0;
  const open = async (): Promise<number> => {
    const report = await context.load.run({
      to: { ...minilm.direct, headers: { ...minilm.direct.headers, [TIMEOUT_HEADER]: String(WORTH_MS) } },
      bodies: order.map((index) => textBody(model.corpus[index]!.text)),
      pace: { kind: "open", perSecond: 2 * capacity, forMs },
      keepAnswers: true,
    });
    for (const [at, code] of report.status.entries()) {
      if (code === 429 || code === 503) {
        refusals.push(report.tookMs[at]!);
        if (!report.retryAfter[at]) withoutRetryAfter += 1;
      } else if (code !== 200) others += 1;
    }
    checkAnswers(model, server, ...answered(order, report));
    const good = report.status.filter((code, at) => code === 200 && report.tookMs[at]! <= WORTH_MS).length;
    return (good / withoutGenerator(report)) * 1000;
  };
  const found = await interleaved(pairs, { peak, open });
  const inServer = (await hub.metrics()).buckets(
    "modulehub_worker_request_seconds",
    { status: "429" },
    before,
  );
  const rows = [
    judged(
      "open loop at twice the capacity: goodput ÷ peak",
      "goodputVsPeak",
      ratio(found.open, found.peak),
      { atLeast: 0.95 },
      { note: `${(2 * capacity).toFixed(0)} requests/s, ${refusals.length} refused` },
    ),
    judged("  failures other than refusals", "overloadFailures", others, { atMost: 0 }),
  ];
  if (refusals.length === 0) return [...rows, unmeasured("  refusals", "nothing was refused")];
  const within = inServer.find(([, count]) => count >= 0.99 * (inServer.at(-1)?.[1] ?? 0));
  rows.push(
    within && inServer.at(-1)![1] > 0
      ? judged(
          "  refusals in the server, p99 at most",
          "refusalServerP99Ms",
          within[0] * 1000,
          { atMost: 5 },
          { unit: " ms" },
        )
      : unmeasured("  refusals in the server, p99", "the worker has no histogram of answers with status 429"),
    judged(
      "  refusals at the client, p99",
      "refusalClientP99Ms",
      percentile(refusals, 0.99),
      { atMost: 25 },
      { unit: " ms" },
    ),
    judged("  refusals without Retry-After", "refusalsWithoutRetryAfter", withoutRetryAfter, { atMost: 0 }),
    told("  peak", "overloadPeakPerSecond", median(found.peak), "/s"),
  );
  return rows;
};

/** The part of a report that has answers. */
function answered(order: readonly number[], report: LoadReport): [number[], LoadReport] {
  const kept = [...report.status.keys()].filter((at) => report.status[at] === 200);
  return [
    kept.map((at) => order[at % order.length]!),
    { ...report, status: kept.map(() => 200), answers: kept.map((at) => report.answers[at]!) },
  ];
}
