import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import { seededRandom } from "../statistics.ts";
import type { FromGenerator, LoadJob, LoadReport, ToGenerator } from "./contract.ts";

/**
 * The main file of the load generator: a process of its own, so that what it costs can be told apart. It does as
 * little as it can: bodies come ready, answers are checked by who asked for them, afterwards.
 */
const stops = new Map<number, () => void>();

process.on("message", (message: ToGenerator) => {
  if ("stop" in message) stops.get(message.id)?.();
  else
    void run(message.id, message.job).then((report) => {
      const answer: FromGenerator = { id: message.id, report };
      process.send?.(answer);
    });
});
process.on("disconnect", () => process.exit(0));

async function run(id: number, job: LoadJob): Promise<LoadReport> {
  const { pace, to, bodies } = job;
  const pool = new Pool(to.origin, {
    connections: pace.kind === "closed" ? pace.clients : null,
    headersTimeout: job.timeoutMs ?? 60_000,
    bodyTimeout: job.timeoutMs ?? 60_000,
  });
  const report: LoadReport = {
    wallMs: 0,
    cpuMs: 0,
    startMs: [],
    tookMs: [],
    status: [],
    retryAfter: [],
    errors: [],
    answers: [],
  };
  let stopped = false;
  stops.set(id, () => {
    stopped = true;
  });
  const cpu = process.cpuUsage();
  const began = performance.now();
  const ask = async (due: number): Promise<void> => {
    const at = report.startMs.push(due - began) - 1;
    report.status[at] = 0;
    report.retryAfter[at] = false;
    const body = bodies.length > 0 ? bodies[at % bodies.length]! : null;
    try {
      const { path, headers, method = "POST" } = to;
      const answer = await pool.request({ method, path, headers, body });
      if (job.keepAnswers) report.answers[at] = new Uint8Array(await answer.body.arrayBuffer());
      else await answer.body.dump({ limit: 2 ** 30 });
      report.status[at] = answer.statusCode;
      report.retryAfter[at] = answer.headers["retry-after"] !== undefined;
    } catch (error) {
      const sentence = String(error);
      if (!report.errors.includes(sentence)) report.errors.push(sentence);
    }
    report.tookMs[at] = performance.now() - due;
  };
  if (pace.kind === "closed") {
    const { clients, requests = Infinity, forMs = Infinity, pauseMs = 0 } = pace;
    const client = async () => {
      while (!stopped && report.startMs.length < requests && performance.now() - began < forMs) {
        await ask(performance.now());
        if (pauseMs > 0) await sleep(pauseMs);
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
  } else {
    const random = seededRandom(7);
    const asked: Promise<void>[] = [];
    let due = began;
    while (!stopped && due - began < pace.forMs) {
      const wait = due - performance.now();
      if (wait >= 1) await sleep(wait);
      asked.push(ask(due));
      due += (-Math.log(1 - random()) * 1000) / pace.perSecond;
    }
    await Promise.all(asked);
  }
  report.wallMs = performance.now() - began;
  const used = process.cpuUsage(cpu);
  report.cpuMs = (used.user + used.system) / 1000;
  stops.delete(id);
  await pool.destroy();
  return report;
}
