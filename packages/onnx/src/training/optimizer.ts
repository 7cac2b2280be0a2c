import type { OptimizerSettings } from "@modulehub/core";
import type { GraphBuilder } from "../graph-builder.ts";
import type { Value } from "../value.ts";

/** What an optimiser keeps of a parameter between steps, by name, with the number it starts from. */
export function optimizerState(optimizer: OptimizerSettings): { name: string; initial: number }[] {
  switch (optimizer.name) {
    case "sgd":
      return [];
    case "momentum":
      return [{ name: "velocity", initial: 0 }];
    case "adagrad":
      return [{ name: "squares", initial: optimizer.initialAccumulator }];
    case "adam":
    case "adamw":
      return [
        { name: "mean", initial: 0 },
        { name: "variance", initial: 0 },
      ];
  }
}

/** Numbers of a step that all updates share. */
export interface StepNumbers {
  learningRate: Value;
  /** 1 in the first step. */
  stepNumber: Value;
}

/** A tensor to be updated. */
export interface Update {
  value: Value;
  gradient: Value;
  /** In the order of `optimizerState`. */
  state: readonly Value[];
  /** Whether AdamW's decay is for it. */
  decays: boolean;
}

/**
 * Appends the update of tensors by an optimiser, and gives for each its next value and state. Source of the formulas:
 * PyTorch's torch.optim (SGD without dampening, Adagrad without decay, Adam, AdamW).
 */
export function appendUpdates(
  g: GraphBuilder,
  optimizer: OptimizerSettings,
  numbers: StepNumbers,
  updates: readonly Update[],
): Updated[] {
  return updates.map(updateBy(g, optimizer, numbers));
}

interface Updated {
  value: Value;
  state: Value[];
}

function updateBy(
  g: GraphBuilder,
  optimizer: OptimizerSettings,
  numbers: StepNumbers,
): (update: Update) => Updated {
  switch (optimizer.name) {
    case "sgd":
      return ({ value, gradient }) => ({ value: descend(g, value, numbers, gradient), state: [] });
    case "momentum":
      return (update) => momentum(g, optimizer, numbers, update);
    case "adagrad":
      return (update) => adagrad(g, optimizer, numbers, update);
    case "adam":
    case "adamw": {
      const corrections = biasCorrections(g, optimizer, numbers.stepNumber);
      return (update) => adam(g, optimizer, { ...numbers, ...corrections }, update);
    }
  }
}

const descend = (g: GraphBuilder, value: Value, { learningRate }: StepNumbers, direction: Value): Value =>
  g.sub(value, g.mul(direction, learningRate));

function kept({ state }: Update, index: number): Value {
  const value = state[index];
  if (!value) throw new TypeError("An optimiser's state is missing.");
  return value;
}

type Of<N extends OptimizerSettings["name"]> = Extract<OptimizerSettings, { name: N }>;

function momentum(g: GraphBuilder, settings: Of<"momentum">, numbers: StepNumbers, update: Update): Updated {
  const factor = g.scalar(settings.momentum);
  const velocity = g.add(g.mul(kept(update, 0), factor), update.gradient);
  const direction = settings.nesterov ? g.add(update.gradient, g.mul(velocity, factor)) : velocity;
  return { value: descend(g, update.value, numbers, direction), state: [velocity] };
}

function adagrad(g: GraphBuilder, settings: Of<"adagrad">, numbers: StepNumbers, update: Update): Updated {
  const squares = g.add(kept(update, 0), g.mul(update.gradient, update.gradient));
  const root = g.sqrt(squares);
  // Squares never shrink. What is lost in rounding for the first of them is lost for all: the sum is left out.
  const least = Math.sqrt(settings.initialAccumulator);
  const isLost = Math.fround(Math.fround(least) + settings.epsilon) === Math.fround(least);
  // The rate first: a gradient that many rows share is one row yet.
  const wanted = g.mul(update.gradient, numbers.learningRate);
  const direction = g.div(wanted, isLost ? root : g.add(root, g.scalar(settings.epsilon)));
  return { value: g.sub(update.value, direction), state: [squares] };
}

/** What Adam's running means are divided by, because they began at 0. */
interface Corrections {
  /** 1 − beta1ᵗ. */
  mean: Value;
  /** √(1 − beta2ᵗ). */
  deviation: Value;
}

function adam(
  g: GraphBuilder,
  settings: Of<"adam"> | Of<"adamw">,
  numbers: StepNumbers & Corrections,
  update: Update,
): Updated {
  const { gradient, value } = update;
  const running = (before: Value, now: Value, beta: number) =>
    g.add(g.mul(before, g.scalar(beta)), g.mul(now, g.scalar(1 - beta)));
  const mean = running(kept(update, 0), gradient, settings.beta1);
  const variance = running(kept(update, 1), g.mul(gradient, gradient), settings.beta2);
  const size = g.add(g.div(g.sqrt(variance), numbers.deviation), g.scalar(settings.epsilon));
  const decayed =
    settings.name === "adamw" && update.decays
      ? g.mul(value, g.sub(g.scalar(1), g.mul(numbers.learningRate, g.scalar(settings.weightDecay))))
      : value;
  const rate = g.div(numbers.learningRate, numbers.mean);
  return { value: g.sub(decayed, g.mul(g.div(mean, size), rate)), state: [mean, variance] };
}

/** In float64: 1 − 0.999 in float32 is off by 5e-5 of itself. */
function biasCorrections(
  g: GraphBuilder,
  { beta1, beta2 }: Of<"adam"> | Of<"adamw">,
  stepNumber: Value,
): Corrections {
  const step = g.cast(stepNumber, { to: 11 });
  const rest = (beta: number) => g.sub(g.scalar(1, "float64"), g.pow(g.scalar(beta, "float64"), step));
  return { mean: g.cast(rest(beta1), { to: 1 }), deviation: g.cast(g.sqrt(rest(beta2)), { to: 1 }) };
}
