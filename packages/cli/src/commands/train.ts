import type { TrainOptions } from "@modulehub/client";
import {
  ACTIVATIONS,
  optimizerSettingsSchema,
  type PublishTarget,
  parseHandle,
  problem,
  scheduleSettingsSchema,
} from "@modulehub/core";
import { type Command, Option } from "commander";
import { type AliasOptions, aliasesOf, aliasOption } from "../alias-option.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../exit-code.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { type DataOptions, readingOptions, withDataOptions } from "../jobs/data-options.ts";
import { type FollowOptions, followJob } from "../jobs/follow-job.ts";
import { jobPublisher } from "../jobs/job-publisher.ts";
import { namedSettings } from "../jobs/named-settings.ts";
import { asNumber, realNumber, share, wholeNumber } from "../jobs/numbers.ts";
import { withRunOptions } from "../jobs/run-options.ts";

type Settings = NonNullable<TrainOptions["settings"]>;

interface TrainCommandOptions extends HubOptions, DataOptions, FollowOptions, AliasOptions {
  data: string;
  publisher?: string;
  publish?: string;
  private?: boolean;
  title?: string;
  hidden?: number[];
  activation?: (typeof ACTIVATIONS)[number];
  dropout?: number;
  standardize?: boolean;
  optimizer?: Settings["optimizer"];
  learningRate?: number;
  schedule?: Settings["schedule"];
  steps?: number;
  epochs?: number;
  batch?: number;
  l2?: number;
  clipNorm?: number;
  classWeights?: Settings["classWeights"];
  earlyStopping?: number | true;
  validateEvery?: number;
  seed?: number;
  trainable?: boolean;
  requireAccuracy?: number;
}

/** Looks at the validation split without a smaller loss, after which training ends if nobody says how many. */
const PATIENCE = 5;
/** Drawn to stop early by, where nobody says how much and the data has no validation split. */
const VALIDATION = 0.1;

export function trainCommand(context: Context): Command {
  const command = hubCommand("train", "train a classifier on top of a module, and publish both as one")
    .argument("<handle>", "the base: a module that turns texts or images into vectors")
    .requiredOption("--data <path>", "a folder or archive with a folder per class, or a CSV, TSV or JSONL")
    .option(
      "--publish <handle>",
      "publisher/name for the next number, with @alias or /3 as publish takes them",
    )
    .option("--private", "a new module is seen by its publisher only")
    .addOption(aliasOption())
    .option("--title <text>", "of the new version's page");
  withHeadOptions(command);
  withTrainingOptions(command);
  withDataOptions(command);
  return withRunOptions(command).action(async (base: string, options: TrainCommandOptions) => {
    const hub = await connect(context, options);
    const publisher = await jobPublisher(hub, { ...options, about: base });
    const early = options.earlyStopping !== undefined && options.validation === undefined;
    await followJob(context, hub, options, (signal) =>
      hub.train(base, options.data, {
        publisher,
        createPublisher: true,
        reading: readingOptions(early ? { ...options, validation: VALIDATION } : options),
        settings: settingsOf(options),
        epochs: options.epochs,
        requireAccuracy: options.requireAccuracy,
        publish: options.publish === undefined ? undefined : targetOf(options.publish, options),
        signal,
      }),
    );
  });
}

const withHeadOptions = (command: Command): Command =>
  command
    .option("--hidden <sizes>", "sizes of the hidden layers, such as 500,100; default none", sizes)
    .addOption(new Option("--activation <name>", "between layers; default relu").choices(ACTIVATIONS))
    .option(
      "--dropout <share>",
      "of each hidden layer's numbers that a step leaves out",
      share("--dropout", 0.99),
    )
    .option("--standardize", "scale each number of the vectors to mean 0 and deviation 1");

const OPTIMIZERS = ["sgd", "momentum", "adagrad", "adam", "adamw"];
const SCHEDULES = ["constant", "step", "cosine"];

const withTrainingOptions = (command: Command): Command =>
  command
    .option(
      "--optimizer <name>",
      `${OPTIMIZERS.join(", ")}, with settings as adagrad,initial-accumulator=0; default adam`,
      namedSettings("--optimizer", optimizerSettingsSchema, OPTIMIZERS),
    )
    .option("--learning-rate <number>", "default 0.001", realNumber("--learning-rate", "above 0"))
    .option(
      "--schedule <name>",
      "of the learning rate: constant, cosine, or step,every=500; each with warm-up=100",
      namedSettings("--schedule", scheduleSettingsSchema, SCHEDULES),
    )
    .option("--steps <n>", "updates of the weights; default 1000", wholeNumber("--steps", 1))
    .addOption(
      new Option("--epochs <n>", "passes over the data, in place of steps")
        .argParser(wholeNumber("--epochs", 1))
        .conflicts("steps"),
    )
    .option("--batch <n>", "examples a step; default 128", wholeNumber("--batch", 1))
    .option("--l2 <number>", "weight of half the sum of squared weights", realNumber("--l2", "from 0 up"))
    .option(
      "--clip-norm <number>",
      "gradients are scaled down to this norm",
      realNumber("--clip-norm", "above 0"),
    )
    .option(
      "--class-weights <weights>",
      "balanced, or a number a class in the order of their names",
      classWeights,
    )
    .option(
      "--early-stopping [looks]",
      `end after so many looks at the validation split without a smaller loss; default ${PATIENCE}, and --validation ${VALIDATION}`,
      wholeNumber("--early-stopping", 1),
    )
    .option(
      "--validate-every <steps>",
      "steps between two looks; default 100",
      wholeNumber("--validate-every", 1),
    )
    .option("--seed <n>", "the same seed gives the same weights; default 0", wholeNumber("--seed", 0))
    .option("--trainable", "train the base's weights too, where they can be")
    .option(
      "--require-accuracy <share>",
      "fail, and publish nothing, where the test split's accuracy is lower",
      share("--require-accuracy", 1),
    );

/** What a target of labels asks of the last layer. */
const OUTPUTS = { class: "softmax", labels: "sigmoid", number: "linear" } as const;

function settingsOf(options: TrainCommandOptions): Settings {
  const { hidden, activation, dropout, standardize, earlyStopping } = options;
  return {
    head: { hidden, activation, dropout, standardize, output: OUTPUTS[options.target ?? "class"] },
    optimizer: options.optimizer,
    learningRate: options.learningRate,
    schedule: options.schedule,
    steps: options.steps,
    batch: options.batch,
    l2: options.l2,
    clipNorm: options.clipNorm,
    classWeights: options.classWeights,
    validateEvery: options.validateEvery,
    patience: earlyStopping === true ? PATIENCE : earlyStopping,
    seed: options.seed,
    trainable: options.trainable,
  };
}

function targetOf(handle: string, options: TrainCommandOptions): Partial<PublishTarget> & { module: string } {
  const { module, reference } = parseHandle(handle);
  if (reference.kind === "digest")
    throw problem(
      "invalid-handle",
      "Publish under publisher/name, or publisher/name/3 to choose the number.",
    );
  return {
    module,
    visibility: options.private ? "private" : "public",
    ...(reference.kind === "version" && { version: reference.version }),
    aliases: aliasesOf(reference, options),
    title: options.title,
  };
}

function sizes(text: string): number[] {
  if (text === "none") return [];
  if (/^[1-9]\d{0,5}(,[1-9]\d{0,5}){0,15}$/.test(text)) return text.split(",").map(Number);
  throw new UsageError(`--hidden takes sizes with commas between, such as 500,100, not ${text}.`);
}

function classWeights(text: string): "balanced" | number[] {
  if (text === "balanced") return text;
  const weights = text.split(",").map(asNumber);
  if (weights.every((weight): weight is number => weight !== undefined && weight > 0)) return weights;
  throw new UsageError(
    `--class-weights takes balanced, or numbers above 0 with commas between, not ${text}.`,
  );
}
