import { type BenchOptions, type Figures, namesOf } from "../options.ts";
import { Context, type Scenario } from "./context.ts";
import { printRows } from "./report.ts";
import { unmeasured } from "./row.ts";

/** The parts of the table, in its order; each file is loaded when it runs. */
const SCENARIOS: Record<string, () => Promise<Scenario>> = {
  throughput: async () => (await import("./scenarios/throughput.ts")).throughput,
  latency: async () => (await import("./scenarios/latency.ts")).latency,
  mixes: async () => (await import("./scenarios/mixes.ts")).mixes,
  overload: async () => (await import("./scenarios/overload.ts")).overload,
  "short-lane": async () => (await import("./scenarios/short-lane.ts")).shortLane,
  health: async () => (await import("./scenarios/health.ts")).health,
  kills: async () => (await import("./scenarios/kills.ts")).kills,
  "alias-moves": async () => (await import("./scenarios/alias-moves.ts")).aliasMoves,
  "memory-bursts": async () => (await import("./scenarios/memory-bursts.ts")).memoryBursts,
  "many-modules": async () => (await import("./scenarios/many-modules.ts")).manyModules,
  "cold-start": async () => (await import("./scenarios/cold-start.ts")).coldStart,
  "image-tensor": async () => (await import("./scenarios/image-tensor.ts")).imageTensor,
  idle: async () => (await import("./scenarios/idle.ts")).idle,
  "long-text": async () => (await import("./scenarios/long-text.ts")).longText,
  rivals: async () => (await import("./scenarios/rivals.ts")).rivals,
};

/**
 * Everything that is promised of serving, each figure against a baseline in the same run, printed as it is found.
 * What can't be measured here says why.
 */
export async function run(options: BenchOptions): Promise<Figures> {
  const names = namesOf(options.only, Object.keys(SCENARIOS));
  const { pairs = 5, quick = false, count, rivals } = options;
  if (quick) console.log("--quick: small sets, one pair or two; nothing here is to be quoted.");
  const context = new Context({ pairs: quick ? Math.min(pairs, 2) : pairs, quick, count, rivals });
  const figures: Figures = {};
  try {
    for (const name of names) {
      const scenario = await SCENARIOS[name]!();
      const began = performance.now();
      const rows = await scenario(context).catch(async (error: unknown) => {
        await context.load.stopAll();
        return [unmeasured(name, error instanceof Error ? error.message : String(error))];
      });
      printRows(name, rows, (performance.now() - began) / 1000);
      for (const row of rows) Object.assign(figures, row.figures);
    }
  } finally {
    await context.close();
  }
  return figures;
}
