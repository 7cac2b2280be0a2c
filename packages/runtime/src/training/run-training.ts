import { createHash } from "node:crypto";
import type { TrainingSettings } from "@modulehub/core";
import { problem } from "@modulehub/core/problem";
import type { Tensor, TensorOf } from "@modulehub/core/tensor";
import { dropoutMask, initialParameters, learningRateAt } from "@modulehub/onnx";
import { checkpointPieces, type RunState, readCheckpoint } from "./checkpoint.ts";
import type { TrainingEvent, TrainingResult, TrainingRun } from "./contract.ts";
import { evaluateLoss } from "./evaluate.ts";
import { classWeightFeed, exampleWeightFeed, labelFeed } from "./labels.ts";
import { Sampler } from "./sampler.ts";
import { TableCarrier, zeroRows } from "./table-rows.ts";

/** Least time between two events of steps. */
const REPORT_MS = 250;
/** Most steps in one run of the graph: a signal is looked at between runs. */
const STEPS_A_RUN = 16;

/**
 * Trains, step by step, and tells what happens on the way. Between two steps nothing but the run's state matters, so that
 * a run that goes on from a checkpoint gives the bits that it would have given uninterrupted.
 *
 * Throws `training-diverged` at the first loss or gradient that is no finite number, with the step and what to try,
 * `checkpoint-invalid` where the stored one is damaged or of another run, and the reason of the run's signal.
 */
export async function* runTraining(run: TrainingRun): AsyncGenerator<TrainingEvent, TrainingResult> {
  const trainer = new Trainer(run);
  const stored = await run.checkpoint?.read();
  if (stored) {
    trainer.restore(await readCheckpoint(stored, trainer.identity));
    yield { kind: "resumed", step: trainer.step };
  }
  yield* trainer.train();
  return trainer.result();
}

class Trainer {
  readonly identity: string;
  step = 0;
  private readonly run: TrainingRun;
  private parameters: Map<string, Float32Array>;
  private state: Map<string, Float32Array>;
  private readonly carriers: ReadonlyMap<string, TableCarrier>;
  private readonly classWeights: TensorOf<"float32">;
  private sampler: Sampler;
  private best: RunState["best"] = null;
  /** Weights of the best look at the validation split. */
  private bestWeights = new Map<string, Float32Array>();
  private ended: TrainingResult["ended"] = "steps";

  constructor(run: TrainingRun) {
    const { program, settings, train } = run;
    this.run = run;
    this.identity = identityOf(run);
    this.parameters = initialParameters(program, settings.seed);
    this.state = new Map(
      program.state.map(({ name, shape, initial }) => [
        name,
        new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(initial),
      ]),
    );
    this.carriers = carriersOf(run);
    this.classWeights = classWeightFeed(settings.classWeights, train.labels, program.output.width);
    this.sampler = new Sampler(train.features.examples, settings);
  }

  async *train(): AsyncGenerator<TrainingEvent, void> {
    const { settings, validation, checkpoint, signal } = this.run;
    const report = new Report(settings);
    while (this.step < settings.steps && !this.isOver()) {
      if (signal?.aborted) {
        await this.save();
        throw signal.reason;
      }
      const { loss, examples, steps } = await this.doSteps();
      const last = this.step === settings.steps;
      const event = report.add({ step: this.step, loss, examples, steps, last });
      if (event) yield event;
      if (validation && (last || this.step % settings.validateEvery === 0)) yield await this.validate();
      if (checkpoint && (last || this.step % settings.checkpointEvery === 0)) {
        await this.save();
        yield { kind: "checkpoint", step: this.step };
      }
    }
    if (this.step < settings.steps) this.ended = "early";
  }

  private isOver(): boolean {
    const { patience } = this.run.settings;
    return patience !== undefined && (this.best?.looksSince ?? 0) >= patience;
  }

  /** The batches of the next run: of one size, and not beyond a step after which there is something else to do. */
  private nextBatches(): Uint32Array[] {
    const { settings, validation, checkpoint, program } = this.run;
    const stops = [
      settings.steps,
      ...(validation ? [nextMultiple(this.step, settings.validateEvery)] : []),
      ...(checkpoint ? [nextMultiple(this.step, settings.checkpointEvery)] : []),
    ];
    // Rows that one step changes the next may touch: tables go in and out each time.
    const most =
      program.tables.length > 0 ? 1 : Math.min(STEPS_A_RUN, ...stops.map((stop) => stop - this.step));
    const batches = [this.sampler.next()];
    while (batches.length < most && this.sampler.nextSize === batches[0]!.length)
      batches.push(this.sampler.next());
    return batches;
  }

  /** One run of the graph. Gives the sum of the steps' losses. */
  private async doSteps(): Promise<{ loss: number; examples: number; steps: number }> {
    const { program, train, settings } = this.run;
    const batches = this.nextBatches();
    const count = batches.length;
    const examples = joined(batches);
    const feeds = this.weightFeeds();
    for (const { name, shape } of program.state) feeds.set(name, float32(shape, this.state.get(name)));
    for (const [name, tensor] of train.features.feeds(examples)) feeds.set(name, split(tensor, count));
    feeds.set("count", { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(count)) });
    feeds.set("labels", split(labelFeed(train.labels, examples), count));
    feeds.set("exampleWeights", split(exampleWeightFeed(train, examples), count));
    this.feedNumbers(feeds, count, examples.length / count);
    const touched = [...this.carriers].map(([name, carrier]) => {
      const { parts, weights, which } = carrier.touch(rowsOf(this.run, name, examples));
      for (const [input, tensor] of [...weights, ...carrier.stateFeeds()]) feeds.set(input, tensor);
      for (const [input, tensor] of which) feeds.set(input, split(tensor, count));
      return { carrier, parts };
    });
    const fetched = await this.run.steps.run(feeds);
    const firstBad = [...(fetched.get("finite")?.data ?? [])].findIndex((finite) => Number(finite) !== 1);
    if (firstBad >= 0) throw diverged(this.step + firstBad + 1, settings);
    for (const { name } of program.parameters) this.parameters.set(name, floats(fetched, `next/${name}`));
    for (const { name } of program.state) this.state.set(name, floats(fetched, `next/${name}`));
    for (const { carrier, parts } of touched) carrier.put(parts, fetched);
    this.step += count;
    const loss = floats(fetched, "loss").reduce((a, b) => a + b, 0);
    return { loss, examples: examples.length, steps: count };
  }

  /** What each step of a run has of its own, besides its examples. */
  private feedNumbers(feeds: Map<string, Tensor>, count: number, batch: number): void {
    const { program, settings } = this.run;
    const steps = Array.from({ length: count }, (_, at) => this.step + at + 1);
    const numbers = (values: readonly number[]): Tensor => float32([count], Float32Array.from(values));
    feeds.set("learningRate", numbers(steps.map((step) => learningRateAt(settings, step))));
    feeds.set("stepNumber", numbers(steps));
    const { shape, data } = this.classWeights;
    const weights = new Float32Array(count * data.length);
    for (let at = 0; at < count; at++) weights.set(data, at * data.length);
    feeds.set("classWeights", float32([count, ...shape], weights));
    for (const mask of program.masks) {
      const data = new Float32Array(count * batch * mask.width);
      for (const [at, step] of steps.entries())
        data.set(dropoutMask(mask, { seed: settings.seed, step, batch }).data, at * batch * mask.width);
      feeds.set(mask.name, float32([count, batch, mask.width], data));
    }
  }

  private weightFeeds(): Map<string, Tensor> {
    return new Map(
      this.run.program.parameters.map(({ name, shape }) => [name, float32(shape, this.parameters.get(name))]),
    );
  }

  private async validate(): Promise<TrainingEvent> {
    const { program, evaluate, validation, settings } = this.run;
    if (!validation) throw new TypeError("There is no validation split.");
    const weights = { parameters: this.parameters, carriers: this.carriers };
    const evaluation = { program, evaluate, classWeights: this.classWeights };
    const { loss, accuracy } = await evaluateLoss(evaluation, weights, validation);
    if (!Number.isFinite(loss)) throw diverged(this.step, settings);
    const best = this.best === null || loss < this.best.loss;
    if (best) {
      this.best = { loss, step: this.step, looksSince: 0 };
      this.keepBest();
    } else if (this.best) this.best = { ...this.best, looksSince: this.best.looksSince + 1 };
    return { kind: "validation", step: this.step, loss, best, ...(accuracy !== null && { accuracy }) };
  }

  private keepBest(): void {
    for (const [name, data] of this.weights()) {
      const kept = this.bestWeights.get(name);
      if (kept) kept.set(data);
      else this.bestWeights.set(name, data.slice());
    }
  }

  private *weights(): Generator<[string, Float32Array]> {
    yield* this.parameters;
    for (const [name, { weights }] of this.carriers) yield [name, weights.values];
  }

  private async save(): Promise<void> {
    const { step, best } = this;
    const tensors = new Map([...this.weights()].map(([name, data]) => [`now/${name}`, data]));
    for (const [name, data] of this.state) tensors.set(`state/${name}`, data);
    for (const [name, { weights }] of this.carriers)
      for (const [at, data] of weights.state.entries()) tensors.set(`state/${name}/${at}`, data);
    for (const [name, data] of this.bestWeights) tensors.set(`best/${name}`, data);
    const state: RunState = { step, best, sampler: this.sampler.position, tensors };
    await this.run.checkpoint?.write(checkpointPieces(state, this.identity));
  }

  restore({ step, best, sampler, tensors }: RunState): void {
    const take = (name: string): Float32Array => {
      const data = tensors.get(name);
      if (!data) throw problem("checkpoint-invalid", `The checkpoint lacks the tensor ${name}.`);
      return data;
    };
    this.step = step;
    this.best = best;
    this.sampler = new Sampler(this.run.train.features.examples, this.run.settings, sampler);
    this.parameters = new Map([...this.parameters.keys()].map((name) => [name, take(`now/${name}`)]));
    this.state = new Map([...this.state.keys()].map((name) => [name, take(`state/${name}`)]));
    for (const [name, { weights }] of this.carriers) {
      weights.values.set(take(`now/${name}`));
      for (const [at, data] of weights.state.entries()) data.set(take(`state/${name}/${at}`));
    }
    if (best) this.bestWeights = new Map([...this.weights()].map(([name]) => [name, take(`best/${name}`)]));
  }

  result(): TrainingResult {
    const weights = this.best ? this.bestWeights : new Map(this.weights());
    const isTable = (name: string) => this.carriers.has(name);
    return {
      steps: this.step,
      bestStep: this.best?.step ?? this.step,
      ended: this.ended,
      parameters: new Map([...weights].filter(([name]) => !isTable(name))),
      tables: new Map([...weights].filter(([name]) => isTable(name))),
    };
  }
}

/** Everything that decides what a run computes, but the numbers of its data, which the caller's identity is for. */
function identityOf({ program, settings, train, validation, identity = "" }: TrainingRun): string {
  const { parameters, state, tables } = program;
  const sizes = [train.features.examples, validation?.features.examples ?? 0];
  return createHash("sha256")
    .update(JSON.stringify([identity, settings, parameters, state, tables, sizes]))
    .digest("hex");
}

function carriersOf({ program, tables }: TrainingRun): Map<string, TableCarrier> {
  return new Map(
    program.tables.map((table) => {
      const values = tables?.get(table.name);
      if (values?.length !== table.rows * table.dimensions)
        throw new TypeError(`The run lacks the table ${table.name}.`);
      const state = table.state.map(({ initial }) => new Float32Array(values.length).fill(initial));
      return [table.name, new TableCarrier(table, { values, state }, zeroRows(values, table.dimensions))];
    }),
  );
}

function rowsOf({ train }: TrainingRun, table: string, examples: Uint32Array) {
  if (!train.features.tableRows) throw new TypeError("The features tell no rows of tables.");
  return train.features.tableRows(table, examples);
}

const nextMultiple = (step: number, of: number): number => (Math.floor(step / of) + 1) * of;

function joined(batches: readonly Uint32Array[]): Uint32Array {
  const [first] = batches;
  if (first && batches.length === 1) return first;
  return Uint32Array.from(batches.flatMap((batch) => [...batch]));
}

/** The rows of several steps, a step on each place of a new first axis. */
function split(tensor: Tensor, count: number): Tensor {
  const [rows = 0, ...rest] = tensor.shape;
  return { ...tensor, shape: [count, rows / count, ...rest] };
}

function float32(shape: readonly number[], data: Float32Array | undefined): Tensor {
  if (!data) throw new TypeError("A tensor of the run is missing.");
  return { dtype: "float32", shape: [...shape], data };
}

function floats(fetched: ReadonlyMap<string, Tensor>, name: string): Float32Array {
  const tensor = fetched.get(name);
  if (tensor?.dtype !== "float32") throw new TypeError(`The step gave no ${name}.`);
  return tensor.data;
}

function diverged(step: number, { learningRate, clipNorm, head }: TrainingSettings) {
  const advice = [
    `a learning rate of ${Number((learningRate / 10).toPrecision(3))} instead of ${learningRate}`,
    ...(clipNorm === undefined ? ["a limit on the norm of gradients (1)"] : []),
    ...(head.standardize ? [] : ["standardised features"]),
  ];
  return problem(
    "training-diverged",
    `The loss or a gradient is no finite number at step ${step}. Try ${advice.join(", or ")}.`,
  );
}

/** Tells of steps, but not more often than people read. */
class Report {
  private readonly settings: TrainingSettings;
  private since = performance.now();
  private losses = 0;
  private steps = 0;
  private examples = 0;

  constructor(settings: TrainingSettings) {
    this.settings = settings;
  }

  /** `loss` is the sum over the steps. */
  add(done: {
    step: number;
    loss: number;
    examples: number;
    steps: number;
    last: boolean;
  }): TrainingEvent | undefined {
    const { step, last } = done;
    this.losses += done.loss;
    this.steps += done.steps;
    this.examples += done.examples;
    const now = performance.now();
    const took = now - this.since;
    if (took < REPORT_MS && !last) return undefined;
    const event: TrainingEvent = {
      kind: "step",
      step,
      loss: this.losses / this.steps,
      learningRate: learningRateAt(this.settings, step),
      examplesPerSecond: (this.examples / Math.max(took, 0.001)) * 1000,
    };
    [this.since, this.losses, this.steps, this.examples] = [now, 0, 0, 0];
    return event;
  }
}
