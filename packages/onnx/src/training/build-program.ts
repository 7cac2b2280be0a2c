import type { TrainingSettings } from "@modulehub/core";
import { GraphBuilder } from "../graph-builder.ts";
import { reduce } from "../portable.ts";
import type { Value } from "../value.ts";
import type { Dimension } from "../value-type.ts";
import { differentiate } from "./differentiate.ts";
import { type GatheredRows, gatherRows } from "./gather-rows.ts";
import { appendHead, type HeadEnds, headMasks, headParameters } from "./head.ts";
import { appendLoss, lossInputs } from "./loss.ts";
import { appendUpdates, optimizerState, type StepNumbers, type Update } from "./optimizer.ts";
import {
  LONE_GROUP,
  type ParameterSpec,
  type StateSpec,
  type TableProgram,
  type TrainingProgram,
  tableParts,
} from "./program.ts";
import { repeatStep } from "./repeat-step.ts";
import type { TrainableBase } from "./trainable-base.ts";

/** What of the settings the graphs depend on. */
type ProgramSettings = Pick<TrainingSettings, "head" | "optimizer" | "l2" | "clipNorm" | "reduction">;

/**
 * The graphs of a training run: a head on features that are fed (a frozen base), or on those of a base whose tables are
 * trained with it. Throws `gradient-missing` where an operator of the base has no gradient rule, and `graph-invalid`
 * where sizes don't fit.
 */
export function buildTrainingProgram(
  settings: ProgramSettings,
  ends: HeadEnds,
  base?: TrainableBase,
): TrainingProgram {
  const kept = optimizerState(settings.optimizer);
  const parameters = headParameters(settings.head, ends);
  const tables = (base?.tables ?? []).map(
    ({ name, rows, dimensions, reads }): TableProgram => ({
      name,
      rows,
      dimensions,
      reads,
      state: kept.map((state) => ({ name: `${name}/${state.name}`, initial: state.initial })),
    }),
  );
  const state = parameters.flatMap(({ name, shape }) =>
    kept.map((one): StateSpec => ({ name: `${name}/${one.name}`, shape, initial: one.initial })),
  );
  const masks = headMasks(settings.head);
  const plan = { settings, ends, base, parameters, tables, kept: kept.map(({ name }) => name) };
  const carried = [
    ...parameters.map(({ name }) => name),
    ...state.map(({ name }) => name),
    ...tables.flatMap((table) =>
      tableParts(table).flatMap((part) => [table, ...table.state].map(({ name }) => `${name}/${part}`)),
    ),
  ];
  const steps = repeatStep(stepGraph(plan).toModel(), { carried, collected: ["loss", "finite"] });
  return {
    steps: gatherRows(
      steps,
      tables.flatMap((table) => [table, ...table.state].flatMap(({ name }) => gathered(table, name))),
    ),
    evaluate: gatherRows(
      evaluateGraph(plan).toModel(),
      tables.flatMap((table) => gathered(table, table.name)),
    ),
    parameters,
    state,
    tables,
    masks,
    output: { kind: settings.head.output, width: ends.outputs },
  };
}

interface Plan {
  settings: ProgramSettings;
  ends: HeadEnds;
  base: TrainableBase | undefined;
  parameters: readonly ParameterSpec[];
  tables: readonly TableProgram[];
  /** Names of the optimiser's state. */
  kept: readonly string[];
}

/** The inputs that the rows of a table come in. */
const tableInputs = (table: TableProgram) =>
  tableParts(table).map((part) => ({
    input: `${table.name}/${part}`,
    part,
    shape:
      part === "lone"
        ? [`${table.name}/groups`, LONE_GROUP, table.dimensions]
        : [`${table.name}/unique`, table.dimensions],
  }));

/** The rows of a table, or of one of its states, by the numbers that are fed. */
const gathered = (table: TableProgram, name: string): GatheredRows[] =>
  tableInputs(table).map(({ input, part, shape }) => ({
    input: `${name}/${part}`,
    table: { name, shape: [table.rows, table.dimensions] },
    rows: { name: `${input}/rows`, shape: shape.slice(0, -1) },
  }));

/** The common beginning of both graphs: inputs, forward, loss. */
function forward(g: GraphBuilder, { settings, ends, base, parameters, tables }: Plan, dropout: boolean) {
  const values = new Map(
    parameters.map(({ name, shape }): [string, Value] => [name, g.input(name, "float32", shape)]),
  );
  for (const { input, shape } of tables.flatMap(tableInputs))
    values.set(input, g.input(input, "float32", shape));
  const sums = new Map<string, Value>();
  const features = base
    ? base.append(g, baseInputs(g, base, values, sums))
    : g.input("features", "float32", ["batch", ends.features]);
  if (dropout)
    for (const { name, width } of headMasks(settings.head))
      values.set(name, g.input(name, "float32", ["batch", width]));
  const logits = appendHead(g, settings.head, ends, features, values);
  const labels = lossInputs(g, settings.head.output, ends.outputs);
  const { loss, weight } = appendLoss(g, settings.head.output, settings.reduction, logits, labels);
  return { values, sums, logits, loss, weight };
}

/**
 * What the rest of a base reads: for each table the rows an example has or their sum, and what its front gives. `sums`
 * gets the sums of the groups of lone rows, by the rows' input.
 */
function baseInputs(
  g: GraphBuilder,
  { tables, feeds }: TrainableBase,
  values: ReadonlyMap<string, Value>,
  sums: Map<string, Value>,
): Map<string, Value> {
  const inputs = new Map(
    feeds.map(({ name, width }): [string, Value] => [name, g.input(name, "float32", ["batch", width])]),
  );
  for (const { name, reads, dimensions } of tables) {
    const rows = given(values, `${name}/touched`);
    if (reads === "sums") {
      const counts = g.input(`${name}/counts`, "float32", ["batch", `${name}/unique`]);
      const owners = g.input(`${name}/owners`, "float32", ["batch", `${name}/groups`]);
      const groups = g.reduceSum(given(values, `${name}/lone`), g.ints([1]), { keepdims: 1 });
      sums.set(`${name}/lone`, groups);
      const whole = g.reshape(groups, g.ints([-1, dimensions]));
      inputs.set(name, g.add(g.matMul(counts, rows), g.matMul(owners, whole)));
      continue;
    }
    const nothing = g.constant({
      dtype: "float32",
      shape: [1, dimensions],
      data: new Float32Array(dimensions),
    });
    const positions = g.input(`${name}/positions`, "int64", ["batch", `${name}/longest`]);
    inputs.set(name, g.gather(g.concat([rows, nothing], { axis: 0 }), positions));
  }
  return inputs;
}

/** A tensor that a step updates. */
interface Trained {
  input: string;
  /** Inputs of the optimiser's state. */
  state: readonly string[];
  value: Value;
  /**
   * What the loss is differentiated by, where that isn't the tensor itself: the sums of groups of its rows. The rows of a
   * group have the gradient of their sum, which is left to broadcast.
   */
  sum?: Value | undefined;
  shape: readonly Dimension[];
  isMatrix: boolean;
  /** Whether its gradient tells of all that isn't finite in those before it. */
  tells: boolean;
}

const newGraph = (name: string, base: TrainableBase | undefined): GraphBuilder =>
  new GraphBuilder({ name, ...(base && { opset: base.opset }) });

function stepGraph(plan: Plan): GraphBuilder {
  const { settings, base, parameters, tables, kept } = plan;
  const g = newGraph("training-step", base);
  const { values, sums, loss } = forward(g, plan, true);
  const trained: Trained[] = [
    ...parameters.map(({ name, shape }) => ({
      input: name,
      state: kept.map((one) => `${name}/${one}`),
      value: given(values, name),
      shape,
      isMatrix: shape.length > 1,
      tells: shape.length === 1,
    })),
    ...tables.flatMap((table) =>
      tableInputs(table).map(({ input, part, shape }) => ({
        input,
        state: table.state.map((one) => `${one.name}/${part}`),
        value: given(values, input),
        sum: sums.get(input),
        shape,
        isMatrix: true,
        tells: true,
      })),
    ),
  ];
  const numbers: StepNumbers = {
    learningRate: g.input("learningRate", "float32", []),
    stepNumber: g.input("stepNumber", "float32", []),
  };
  const raw = differentiate(
    g,
    loss,
    trained.map(({ value, sum }) => sum ?? value),
  );
  const copies = trained.map(({ sum }) => (sum ? LONE_GROUP : 1));
  const gradients = settings.clipNorm === undefined ? raw : clipped(g, raw, copies, settings.clipNorm);
  const updates = trained.map(({ value, state, shape, isMatrix }, at): Update => {
    const gradient = gradients[at] ?? loss;
    return {
      value,
      gradient: settings.l2 > 0 && isMatrix ? g.add(gradient, g.mul(value, g.scalar(settings.l2))) : gradient,
      state: state.map((name) => g.input(name, "float32", shape)),
      decays: isMatrix,
    };
  });
  appendUpdates(g, settings.optimizer, numbers, updates).forEach((next, at) => {
    const { input = "", state = [] } = trained[at] ?? {};
    g.output(`next/${input}`, next.value);
    next.state.forEach((value, which) => {
      g.output(`next/${state[which]}`, value);
    });
  });
  g.output("loss", loss);
  // Every number of a layer's gradient is a summand of its bias's.
  const telling = raw.filter((_, at) => trained[at]?.tells);
  g.output("finite", allFinite(g, [loss, ...telling]));
  return g;
}

function given(values: ReadonlyMap<string, Value>, name: string): Value {
  const value = values.get(name);
  if (!value) throw new TypeError(`The parameter ${name} has no input.`);
  return value;
}

/**
 * Scaled down together where their common norm is above the limit. Source: PyTorch's clip_grad_norm_.
 *
 * @param copies of each gradient, how many rows each of its rows is for
 */
function clipped(
  g: GraphBuilder,
  gradients: readonly Value[],
  copies: readonly number[],
  limit: number,
): Value[] {
  const squares = gradients.map((gradient, at) => {
    const square = total(g, g.mul(gradient, gradient));
    return copies[at] === 1 ? square : g.mul(square, g.scalar(copies[at] ?? 1));
  });
  const norm = g.sqrt(g.sum(squares));
  const factor = g.min([g.div(g.scalar(limit), g.add(norm, g.scalar(1e-6))), g.scalar(1)]);
  return gradients.map((gradient) => g.mul(gradient, factor));
}

const total = (g: GraphBuilder, value: Value): Value =>
  reduce(
    g,
    "ReduceSum",
    value,
    value.shape.map((_, axis) => axis),
    false,
  );

/** Whether numbers are all finite: a sum with one that isn't is none either, and 0 times that is no number. */
function allFinite(g: GraphBuilder, values: readonly Value[]): Value {
  const sums = values.map((value) => (value.shape.length === 0 ? value : total(g, value)));
  return g.not(g.isNaN(g.mul(g.sum(sums), g.scalar(0))));
}

function evaluateGraph(plan: Plan): GraphBuilder {
  const g = newGraph("evaluation", plan.base);
  const { loss, weight, logits } = forward(g, plan, false);
  g.output("loss", loss);
  g.output("weight", weight);
  g.output("logits", logits);
  return g;
}
