import { trainingSettingsSchema } from "@modulehub/core";
import { buildTrainingProgram, cutAtTables, initialParameters, type TrainableBase } from "@modulehub/onnx";
import {
  denseFeatures,
  type ExampleSet,
  type Features,
  featureScaling,
  Sampler,
  TableFeatures,
} from "@modulehub/runtime";
import { judged, type Row, told } from "../serving/row.ts";
import { chooseSettings, validationSplit } from "./choose.ts";
import {
  embedTexts,
  forBaselines,
  fullNnlm,
  runOnTexts,
  writeForBaselines,
  writeNumbers,
} from "./embeddings.ts";
import { python } from "./python.ts";
import { type Reviews, readReviews, reviewsAt } from "./reviews.ts";
import { train } from "./runs.ts";

const WIDTH = 100;
const SEEDS = Array.from({ length: 10 }, (_, seed) => seed);

/** The original tutorial's head, whose estimator adds up the losses of a batch. */
export const TUTORIAL = {
  head: { hidden: [500, 100], activation: "relu" },
  optimizer: { name: "adagrad", initialAccumulator: 0.1 },
  learningRate: 0.003,
  reduction: "sum",
  steps: 1000,
  batch: 128,
};

/** Hidden layers, for many examples, and none with more or less L2, for few. */
const FROZEN = [
  ...[0.2, 0.5].map((dropout) => ({
    head: { hidden: [500, 100], activation: "relu", dropout, standardize: true },
    optimizer: { name: "adamw" },
    learningRate: 0.001,
    l2: 0,
  })),
  ...[0.01, 0.1, 0.3, 1].map((l2) => ({
    head: { hidden: [], activation: "relu", dropout: 0, standardize: true },
    optimizer: { name: "adam" },
    learningRate: 0.01,
    l2,
  })),
].map((one) => ({ ...one, schedule: { name: "cosine" }, steps: 2000, batch: 128 }));

const TRAINABLE = [0.1, 0.03].map((learningRate) => ({
  head: { hidden: [], dropout: 0 },
  optimizer: { name: "adagrad", initialAccumulator: 0.1 },
  learningRate,
  reduction: "sum",
  steps: 1000,
  batch: 128,
  trainable: true,
}));

const labelled = (features: Features, { labels }: Pick<Reviews, "labels">): ExampleSet => ({
  features,
  labels: { kind: "softmax", classes: labels },
});

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** A head on frozen embeddings: the tutorial's, and the best of some, against PyTorch and scikit-learn. */
export async function frozen(archive: string): Promise<Row[]> {
  const { train: given, test } = readReviews(archive);
  const model = await fullNnlm();
  const rows = await embedTexts(model, given.texts, WIDTH);
  const testRows = await embedTexts(model, test.texts, WIDTH);
  return frozenRows("nnlm", { rows, reviews: given }, { rows: testRows, reviews: test }, WIDTH);
}

interface Embedded {
  rows: Float32Array;
  reviews: Pick<Reviews, "labels">;
}

/** The rows of the table that are about a head on embeddings. `tutorial`: the original's run too. */
export async function frozenRows(
  name: string,
  given: Embedded,
  test: Embedded,
  width: number,
): Promise<Row[]> {
  const files = writeForBaselines(name, { train: given, test });
  const isTutorial = name === "nnlm";
  const wanted = isTutorial
    ? ["logistic,mlp,torch", ...writeStarts(given.reviews.labels.length)]
    : ["logistic"];
  const baselines = JSON.parse(python("baselines.py", [...files, width, ...wanted])) as Record<
    string,
    number
  >;
  const set = labelled(denseFeatures(given.rows, width), given.reviews);
  const testFeatures = denseFeatures(test.rows, width);
  const rows: Row[] = [];
  if (isTutorial) {
    const runs: { train: number; test: number }[] = [];
    for (const seed of SEEDS) {
      const trained = await train({
        settings: { ...TUTORIAL, seed },
        ends: { features: width, outputs: 2 },
        train: set,
      });
      runs.push({
        train: await trained.accuracy(set.features, given.reviews.labels),
        test: await trained.accuracy(testFeatures, test.reviews.labels),
      });
      await trained.close();
    }
    const ours = mean(runs.map((run) => run.test));
    rows.push(
      told("tutorial: accuracy on train (0.799 there)", "tutorialTrain", mean(runs.map((run) => run.train))),
      told("tutorial: accuracy on test (0.792 there)", "tutorialTest", ours),
      told("PyTorch from the same starts, with the same batches: test", "torchTest", baselines.torch!),
      judged("tutorial: test − PyTorch's, points", "tutorialDifference", (ours - baselines.torch!) * 100, {
        atLeast: -0.3,
      }),
    );
  }
  const best = await bestHead(given, width);
  const trained = await train({
    settings: best.settings,
    ends: best.ends,
    train: set,
  });
  const accuracy = await trained.accuracy(testFeatures, test.reviews.labels);
  await trained.close();
  rows.push(
    told(`${name} frozen, settings chosen on validation: test`, `${name}Test`, accuracy),
    told("logistic regression: test", `${name}Logistic`, baselines.logistic!),
    judged(
      "frozen − logistic regression, points",
      `${name}Difference`,
      (accuracy - baselines.logistic!) * 100,
      { atLeast: -0.3 },
    ),
  );
  if (baselines.mlp !== undefined)
    rows.push(
      told("MLPClassifier: test", `${name}Mlp`, baselines.mlp),
      judged("frozen − MLPClassifier, points", `${name}MlpDifference`, (accuracy - baselines.mlp) * 100, {
        atLeast: -0.5,
      }),
    );
  return rows;
}

/**
 * Writes where each of the tutorial's runs starts and which examples each of its steps takes, for PyTorch: apart from
 * that, runs of one setting differ by 0.7 points. Gives the names of the files, without their endings.
 */
function writeStarts(examples: number): string[] {
  return SEEDS.map((seed) => {
    const settings = trainingSettingsSchema.parse({ ...TUTORIAL, seed });
    const program = buildTrainingProgram(settings, { features: WIDTH, outputs: 2 });
    const sampler = new Sampler(examples, settings);
    const batches = Array.from({ length: settings.steps }, () => sampler.next());
    const name = forBaselines(`tutorial-${seed}`);
    writeNumbers(`${name}.f32`, [...initialParameters(program, seed).values()]);
    writeNumbers(`${name}.u32`, batches);
    return name;
  });
}

/** Settings by the validation split; then the same number of passes over all examples. */
export async function bestHead({ rows, reviews }: Embedded, width: number) {
  const split = validationSplit(reviews.labels.length);
  const all = denseFeatures(rows, width);
  const scaling = featureScaling(all, width, Uint32Array.from(split.train));
  const part = (places: number[]): ExampleSet => {
    const values = new Float32Array(places.length * width);
    for (const [at, place] of places.entries())
      values.set(rows.subarray(place * width, (place + 1) * width), at * width);
    const labels = Int32Array.from(places, (place) => reviews.labels[place]!);
    return labelled(denseFeatures(values, width), { labels });
  };
  const ends = { features: width, outputs: 2, scaling };
  const sets = { train: part(split.train), validation: part(split.validation) };
  const { settings, steps } = await chooseSettings(FROZEN, () => ({ ends, ...sets }));
  const longer = Math.round((steps * reviews.labels.length) / split.train.length);
  return { settings: { ...settings, steps: Math.max(longer, 1) }, ends };
}

/** The word vectors are trained with the head. */
export async function trainable(archive: string): Promise<Row[]> {
  const { train: given, test } = readReviews(archive);
  const base = cutAtTables(await fullNnlm(), "default");
  const split = validationSplit(given.labels.length);
  const [table] = base.tables;
  const start = table!.read();
  const featuresOf = (reviews: Reviews) => tableFeatures(base, start, reviews.texts);
  const [whole, testFeatures] = [await featuresOf(given), await featuresOf(test)];
  const ends = { features: WIDTH, outputs: 2 };
  const parts = {
    train: labelled(chosen(whole, split.train), reviewsAt(given, split.train)),
    validation: labelled(chosen(whole, split.validation), reviewsAt(given, split.validation)),
  };
  const tables = () => new Map([[table!.name, start.slice()]]);
  const { settings, steps } = await chooseSettings(TRAINABLE, () => ({
    ends,
    base,
    tables: tables(),
    ...parts,
  }));
  const longer = Math.round((steps * given.labels.length) / split.train.length);
  const trained = await train({
    settings: { ...settings, steps: longer },
    ends,
    base,
    tables: tables(),
    train: labelled(whole, given),
  });
  const accuracy = await trained.accuracy(testFeatures, test.labels);
  await trained.close();
  return [
    judged("nnlm trainable: accuracy on test", "trainableTest", accuracy, { atLeast: 0.87 }),
    told("trainable: steps a second", "trainableSteps", longer / trained.seconds),
  ];
}

async function tableFeatures(
  base: TrainableBase,
  start: Float32Array,
  texts: readonly string[],
): Promise<Features> {
  const collected = new TableFeatures(base, new Map([[base.tables[0]!.name, start]]));
  for await (const fetched of runOnTexts(base.front, texts)) collected.add(fetched);
  return collected.finish();
}

/** Some examples of a set, in another order. */
function chosen(features: Features, places: readonly number[]): Features {
  const there = (examples: Uint32Array) => examples.map((example) => places[example]!);
  return {
    examples: places.length,
    feeds: (examples) => features.feeds(there(examples)),
    tableRows: (name, examples) => features.tableRows!(name, there(examples)),
  };
}
