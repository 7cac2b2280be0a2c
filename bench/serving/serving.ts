import { type BenchOptions, type Figures, namesOf } from "../options.ts";
import { Context, type Scenario } from "./context.ts";
import { printRows } from "./report.ts";

/** The parts of the table, in its order; each file is loaded when it runs. */
const SCENARIOS: Record<string, () => Promise<Scenario>> = {
  throughput: async () => (await import("./scenarios/throughput.ts")).throughput,
  latency: async () => (await import("./scenarios/latency.ts")).latency,
};

/**
 * Everything that is promised of serving, each figure against a baseline in the same run, printed as it is found.
 * What can't be measured here says why.
 */
export async function run(options: BenchOptions): Promise<Figures> {
  const names = namesOf(options.only, Object.keys(SCENARIOS));
  const { pairs = 5, quick = false, count } = options;
  if (quick) console.log("--quick: small sets, one pair or two; nothing here is to be quoted.");
  const context = new Context({ pairs: quick ? Math.min(pairs, 2) : pairs, quick, count });
  const figures: Figures = {};
  try {
    for (const name of names) {
      const scenario = await SCENARIOS[name]!();
      const began = performance.now();
      const rows = await scenario(context);
      printRows(name, rows, (performance.now() - began) / 1000);
      for (const row of rows) Object.assign(figures, row.figures);
    }
  } finally {
    await context.close();
  }
  return figures;
}
