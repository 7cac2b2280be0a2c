import { textBody } from "../bench-hub.ts";
import type { Scenario } from "../context.ts";
import { judged, type Row } from "../row.ts";
import { percentile } from "../statistics.ts";

const PER_SECOND = 25;

/** The health endpoints while 32 clients keep every core busy. */
export const health: Scenario = async (context) => {
  const { hub, minilm } = await context.served();
  const { corpus } = await context.minilm();
  const forMs = context.options.quick ? 4000 : 20_000;
  const load = context.load.start({
    to: minilm.direct,
    bodies: corpus.map(({ text }) => textBody(text)),
    pace: { kind: "closed", clients: 32, forMs: 10 * forMs },
  });
  const rows: Row[] = [];
  for (const [path, name] of [
    ["/health/live", "healthLiveP99Ms"],
    ["/health/ready", "healthReadyP99Ms"],
  ] as const) {
    const { tookMs, status } = await context.load.run({
      to: { method: "GET", origin: hub.worker, path, headers: {} },
      bodies: [],
      pace: { kind: "open", perSecond: PER_SECOND, forMs },
    });
    const failed = status.filter((code) => code !== 200).length;
    rows.push(
      judged(
        `GET ${path} under load, p99`,
        name,
        percentile(tookMs, 0.99),
        { atMost: 10 },
        {
          unit: " ms",
          note: `${tookMs.length} requests, ${failed} failed`,
        },
      ),
    );
  }
  load.stop();
  await load.report;
  return rows;
};
