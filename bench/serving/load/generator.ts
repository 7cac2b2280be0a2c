import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "../statistics.ts";
import { Connection, requestBytes } from "./connection.ts";
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
  const origin = new URL(to.origin);
  const { path, headers, method = "POST" } = to;
  const requests = (bodies.length > 0 ? bodies : [null]).map((body) =>
    requestBytes(method, origin, path, headers, body),
  );
  const all = new Set<Connection>();
  const free: Connection[] = [];
  const connection = () => {
    const made = free.pop() ?? new Connection(origin, job.timeoutMs ?? 60_000);
    all.add(made);
    return made;
  };
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
    const asked = connection();
    try {
      const answer = await asked.ask(requests[at % requests.length]!);
      if (job.keepAnswers) report.answers[at] = new Uint8Array(answer.body);
      report.status[at] = answer.status;
      report.retryAfter[at] = answer.headers.has("retry-after");
    } catch (error) {
      const sentence = String(error);
      if (!report.errors.includes(sentence)) report.errors.push(sentence);
    }
    report.tookMs[at] = performance.now() - due;
    free.push(asked);
  };
  if (pace.kind === "closed") {
    const { clients, requests: count = Infinity, forMs = Infinity, pauseMs = 0 } = pace;
    const client = async () => {
      while (!stopped && report.startMs.length < count && performance.now() - began < forMs) {
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
  for (const made of all) made.close();
  return report;
}
