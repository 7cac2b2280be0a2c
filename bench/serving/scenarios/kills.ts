import { setTimeout as sleep } from "node:timers/promises";
import { GraphBuilder } from "@modulehub/onnx";
import type { Scenario } from "../context.ts";
import type { LoadReport } from "../load/contract.ts";
import { type LoneWorker, type StoredModule, startLoneWorker, storedGraph } from "../lone-worker.ts";
import { askOnce, until } from "../once.ts";
import { enginesWith, known } from "../processes.ts";
import { judged, told, unmeasured } from "../row.ts";
import { seededRandom } from "../statistics.ts";

const GOAL = "engine kills under load: failed requests of another module";
/** More floats than an engine may hold. */
const TOO_MANY = 2 ** 33;

/** So many ends of engines are met by requests of one caller. */
const CALLER_EVENTS = 10;

/** Answers that say that it was the engine's end: once, cleanly. */
const CLEAN = new Set(["module-crashed", "out-of-memory", "worker-unavailable", "module-quarantined"]);

/** Engines of one module are ended under load, from outside and by what it is asked, while another's clients go on. */
export const kills: Scenario = async (context) => {
  if (!known) return [unmeasured(GOAL, "processes can be looked at on Linux only")];
  const count = context.options.count ?? (context.options.quick ? 15 : 100);
  const victim = allocating("the victim");
  const bystander = allocating("the bystander");
  const worker = await startLoneWorker([victim, bystander], { MODULEHUB_LOG_LEVEL: "silent" });
  try {
    const small = JSON.stringify({ inputs: { x: [20_000] } });
    for (const module of [victim, bystander]) await askOnce(context, worker.call(module), small);
    // What was loaded the first time comes from its optimised form, which is mapped, from then on.
    await sleep(3000);
    const job = (module: StoredModule, caller: string) => ({
      to: { ...worker.call(module), headers: { ...worker.call(module).headers, "modulehub-caller": caller } },
      bodies: [small],
      pace: { kind: "closed" as const, clients: 4, pauseMs: 2 },
      keepAnswers: true,
    });
    const beside = context.load.start(job(bystander, "beside"));
    const loads = [context.load.start(job(victim, "caller 0"))];
    const done = await killMany(worker, victim, count, {
      askTooMuch: () =>
        context.load.run({
          ...job(victim, "greedy"),
          bodies: [JSON.stringify({ inputs: { x: [TOO_MANY] } })],
          pace: { kind: "closed", clients: 1, requests: 1 },
        }),
      changeCaller: () => {
        loads.at(-1)!.stop();
        loads.push(context.load.start(job(victim, `caller ${loads.length}`)));
      },
    });
    for (const load of [...loads, beside]) load.stop();
    const own = await Promise.all(loads.map(({ report }) => report));
    const others = await beside.report;
    const ownProblems = own.flatMap(problemsOf);
    const unclean = ownProblems.filter((code) => !CLEAN.has(code));
    return [
      judged(
        GOAL,
        "killsOthersFailed",
        problemsOf(others).length,
        { atMost: 0 },
        {
          note: `${done.kills} signals, ${done.refusals} out of memory; ${others.status.length} requests`,
        },
      ),
      judged(
        "  its own requests that failed otherwise than once and cleanly",
        "killsUnclean",
        unclean.length,
        { atMost: 0 },
        {
          note: [...new Set(unclean)].join(", "),
        },
      ),
      told(
        "  its own requests that failed",
        "killsOwnFailed",
        ownProblems.length,
        "",
        `of ${own.reduce((sum, { status }) => sum + status.length, 0)}`,
      ),
    ];
  } finally {
    await worker.stop();
  }
};

/** y = the sum of exp(1.5) so often as x says: takes time and memory as it is told. */
function allocating(title: string): StoredModule {
  const g = new GraphBuilder({ name: "allocating" });
  const size = g.input("x", "int64", [1]);
  const large = g.expand(g.constant({ dtype: "float32", shape: [1], data: Float32Array.of(1.5) }), size);
  g.output("y", g.reduceSum(g.exp(large), g.ints([0]), { keepdims: 1 }));
  const x = { dtype: "int64", shape: [1] };
  const signatures = { default: { inputs: { x }, outputs: { y: { dtype: "float32", shape: [1] } } } };
  return storedGraph(g.toBytes(), { signatures, examples: [{ inputs: { x: [3] } }] }, {}, title);
}

/** In turns SIGKILL, SIGSEGV, and a request that needs more memory than there is. */
async function killMany(
  worker: LoneWorker,
  { content }: StoredModule,
  count: number,
  { askTooMuch, changeCaller }: { askTooMuch: () => Promise<LoadReport>; changeCaller: () => void },
): Promise<{ kills: number; refusals: number }> {
  const random = seededRandom(5);
  let kills = 0;
  let refusals = 0;
  for (let event = 0; event < count; event++) {
    await sleep(5 + 45 * random());
    // Whose requests were there at several deaths is held back for a while, and then nobody would ask.
    if (event % CALLER_EVENTS === CALLER_EVENTS - 1) changeCaller();
    if (event % 3 === 2) {
      await askTooMuch();
      refusals += 1;
      continue;
    }
    const isLoaded = () => enginesWith(worker.pid, content.digest).length > 0;
    await until("the module is loaded again", 5, isLoaded).catch(changeCaller);
    await until("the module is loaded again", 20, isLoaded);
    const [pid] = enginesWith(worker.pid, content.digest);
    if (pid === undefined) continue;
    process.kill(pid, event % 3 === 0 ? "SIGKILL" : "SIGSEGV");
    kills += 1;
  }
  return { kills, refusals };
}

/** Codes of the answers that weren't 200; the status, or the error, where there is no code. */
function problemsOf({ status, answers, errors }: LoadReport): string[] {
  return [...status.entries()].flatMap(([at, code]) => {
    if (code === 200) return [];
    const answer = answers[at];
    if (!answer) return [errors.join() || "no answer"];
    const parsed: { code?: string } = JSON.parse(Buffer.from(answer).toString("utf8"));
    return [parsed.code ?? String(code)];
  });
}
