import { type BenchOptions, type Figures, namesOf } from "../options.ts";
import { interleaved, ratio } from "../serving/pairs.ts";
import { printRows } from "../serving/report.ts";
import { judged, type Row, told, unmeasured } from "../serving/row.ts";
import { median } from "../serving/statistics.ts";
import { besideJob } from "./beside-job.ts";
import { embeddingJob } from "./embedding-job.ts";
import { headSteps } from "./head-steps.ts";
import { frozen, trainable } from "./imdb.ts";
import { jobMemory } from "./job-memory.ts";
import { minilm } from "./minilm.ts";
import { photos } from "./photos.ts";
import { python } from "./python.ts";
import { tableSteps } from "./table-steps.ts";

const THREADS = 2;

/** The parts of the table, in its order. */
const PARTS: Record<string, (options: BenchOptions) => Promise<Row[]>> = {
  "head-steps": headRows,
  "table-steps": tableRows,
  "imdb-frozen": (options) => withPath(options.imdb, "--imdb", frozen),
  "imdb-trainable": (options) => withPath(options.imdb, "--imdb", trainable),
  "imdb-minilm": (options) =>
    withPath(options.imdb, "--imdb", (path) => minilm(path, options.count ?? (options.quick ? 100 : 4000))),
  photos: (options) => withPath(options.photos, "--photos", photos),
  "embedding-job": (options) =>
    withPath(options.imdb, "--imdb", (path) =>
      embeddingJob(path, options.count ?? (options.quick ? 200 : 2000), options.pairs ?? 1),
    ),
  "beside-job": (options) =>
    withPath(options.imdb, "--imdb", (path) => besideJob(path, options.quick ? 5_000 : 20_000)),
  "job-memory": (options) => jobMemory(options.quick ? [500, 5_000] : [5_000, 50_000]),
};

/**
 * What is promised of training, each figure against a baseline in the same run. Settings are chosen on a validation
 * split; the test set is looked at once for each row.
 */
export async function run(options: BenchOptions): Promise<Figures> {
  const figures: Figures = {};
  for (const name of namesOf(options.only, Object.keys(PARTS))) {
    const began = performance.now();
    const rows = await PARTS[name]!(options).catch((error: unknown) => [
      unmeasured(name, error instanceof Error ? error.message : String(error)),
    ]);
    printRows(name, rows, (performance.now() - began) / 1000);
    for (const row of rows) Object.assign(figures, row.figures);
  }
  return figures;
}

async function withPath(
  path: string | undefined,
  option: string,
  measure: (path: string) => Promise<Row[]>,
): Promise<Row[]> {
  if (path === undefined) throw new Error(`${option} names its data`);
  return measure(path);
}

/** 1,000 steps of the tutorial's head, on features of several widths. */
async function headRows({ pairs = 3, quick = false }: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const features of [50, 100, 384]) {
    const shape = {
      features,
      hidden: [500, 100],
      classes: 2,
      batch: 128,
      steps: quick ? 100 : 1000,
      threads: THREADS,
    };
    const { ours, torch } = await interleaved(quick ? 1 : pairs, {
      ours: () => headSteps(shape),
      torch: async () =>
        Number(
          python("head-steps.py", [features, shape.hidden.join(), 2, shape.batch, shape.steps, THREADS]),
        ),
    });
    rows.push(
      told(
        `${shape.steps} steps of ${features} → 500 → 100 → 2`,
        `headSeconds${features}`,
        median(ours),
        " s",
      ),
      judged("÷ PyTorch's", `headRatio${features}`, ratio(ours, torch), { atMost: 0.85 }),
    );
  }
  return rows;
}

/** Steps that train a table of 340,000 × 100 by the rows of a batch. */
async function tableRows({ pairs = 3, quick = false }: BenchOptions): Promise<Row[]> {
  const steps = quick ? 20 : 100;
  const { ours, torch } = await interleaved(quick ? 1 : pairs, tableSteps(steps, THREADS));
  return [
    told("a step on a table of 340,000 × 100", "tableStep", (median(ours) / steps) * 1000, " ms"),
    told("PyTorch's, sparse gradients", "tableStepTorch", (median(torch) / steps) * 1000, " ms"),
    judged("÷ PyTorch's", "tableRatio", ratio(ours, torch), { atMost: 1.5 }),
  ];
}
