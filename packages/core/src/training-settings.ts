import { z } from "zod";

/**
 * Settings of a training run: what a head is, how it is optimised, and when it stops. Every default is written here,
 * so that settings that were parsed say all that a run depends on besides its data and its base.
 */

const positive = z.number().positive().finite();
/** A share that may be 0 but not 1. */
const share = z.number().min(0).lt(1);

/** Functions between layers. `gelu` is the exact one, of the error function; `leaky-relu` has the slope 0.01. */
export const ACTIVATIONS = ["sigmoid", "tanh", "relu", "leaky-relu", "gelu"] as const;
export type Activation = (typeof ACTIVATIONS)[number];

export const headSettingsSchema = z.strictObject({
  /** Sizes of the hidden layers, from the features on; none makes a linear classifier. */
  hidden: z.array(z.int().min(1).max(65_536)).max(16).default([]),
  activation: z.enum(ACTIVATIONS).default("relu"),
  /** Share of each hidden layer's numbers that a training step leaves out. */
  dropout: share.default(0),
  /**
   * What comes out. `softmax`: one label of several, by cross-entropy. `sigmoid`: any number of labels at once, each by
   * its own binary cross-entropy. `linear`: numbers, by the squared error.
   */
  output: z.enum(["softmax", "sigmoid", "linear"]).default("softmax"),
  /** Bring each feature to mean 0 and deviation 1 over the training set before the first layer; part of the result. */
  standardize: z.boolean().default(false),
});
/** The layers of a head, without the sizes that its base and its labels say. */
export type HeadSettings = z.infer<typeof headSettingsSchema>;

/** Formulas and names: PyTorch's torch.optim; defaults are its own, but for Adagrad's accumulator. */
export const optimizerSettingsSchema = z.discriminatedUnion("name", [
  z.strictObject({ name: z.literal("sgd") }),
  z.strictObject({
    name: z.literal("momentum"),
    momentum: share.default(0.9),
    nesterov: z.boolean().default(false),
  }),
  z.strictObject({
    name: z.literal("adagrad"),
    /** What each sum of squares begins with: 0.1 in TensorFlow, 0 in PyTorch. */
    initialAccumulator: z.number().min(0).finite().default(0.1),
    epsilon: positive.default(1e-10),
  }),
  z.strictObject({
    name: z.literal("adam"),
    beta1: share.default(0.9),
    beta2: share.default(0.999),
    epsilon: positive.default(1e-8),
  }),
  z.strictObject({
    name: z.literal("adamw"),
    beta1: share.default(0.9),
    beta2: share.default(0.999),
    epsilon: positive.default(1e-8),
    /** Each step takes this share, times the learning rate, off every weight; biases are left alone. */
    weightDecay: z.number().min(0).finite().default(0.01),
  }),
]);
export type OptimizerSettings = z.infer<typeof optimizerSettingsSchema>;

/** The learning rate over the steps: a share of `learningRate` by the step. */
export const scheduleSettingsSchema = z.discriminatedUnion("name", [
  z.strictObject({ name: z.literal("constant"), warmUp: z.int().min(0).default(0) }),
  /** Times `factor` after every `every` steps. */
  z.strictObject({
    name: z.literal("step"),
    every: z.int().min(1),
    factor: positive.default(0.1),
    warmUp: z.int().min(0).default(0),
  }),
  /** Falls along half a cosine from 1 to `least` at the last step. */
  z.strictObject({
    name: z.literal("cosine"),
    least: z.number().min(0).max(1).default(0),
    warmUp: z.int().min(0).default(0),
  }),
]);
export type ScheduleSettings = z.infer<typeof scheduleSettingsSchema>;

export const trainingSettingsSchema = z.strictObject({
  head: headSettingsSchema.prefault({}),
  optimizer: optimizerSettingsSchema.prefault({ name: "adam" }),
  learningRate: positive.default(0.001),
  schedule: scheduleSettingsSchema.prefault({ name: "constant" }),
  /** Updates of the weights. */
  steps: z.int().min(1).max(10_000_000).default(1000),
  /** Examples a step. */
  batch: z.int().min(1).max(65_536).default(128),
  /** Weight of half the sum of the squared weights (biases left out) beside the loss: PyTorch's weight_decay. */
  l2: z.number().min(0).finite().default(0),
  /** Gradients whose common norm is above this are scaled down to it; absent: never. */
  clipNorm: positive.optional(),
  /** `sum` adds up the losses of a batch, as TensorFlow's estimators did; `mean` divides by the weights of its examples. */
  reduction: z.enum(["mean", "sum"]).default("mean"),
  /** `balanced`: a class weighs examples ÷ (classes × examples of the class). Or a number a class, in their order. */
  classWeights: z.union([z.literal("balanced"), z.array(positive)]).optional(),
  /** Steps between two looks at the validation split. */
  validateEvery: z.int().min(1).default(100),
  /** Ends after so many looks at the validation split without a smaller loss; absent: never early. */
  patience: z.int().min(1).optional(),
  /** Steps between two checkpoints. */
  checkpointEvery: z.int().min(1).default(500),
  /** Starts weights, order of examples and dropout: the same seed gives the same bits. */
  seed: z.int().min(0).max(0xffffffff).default(0),
  /** Train the base's weights too, where they can be; the head alone otherwise. */
  trainable: z.boolean().default(false),
});
/** All settings of a run, defaults filled in. */
export type TrainingSettings = z.infer<typeof trainingSettingsSchema>;
