import {
  accuracyOf,
  type EvaluateResult,
  type Evaluation,
  figuresOf,
  type JobResult,
  type RankResult,
  SPLITS,
  type TrainResult,
} from "@modulehub/core";
import type { Context } from "../context.ts";
import { print } from "../context.ts";
import { oneLine, printTable } from "../listing/table.ts";

/** Classes of a confusion matrix that fit a line. */
const MATRIX = 12;
/** Mistakes that are told. */
const MISTAKES = 5;

/** What a job came to, as one object: what `--json` ends with. */
export function resultJson(job: string, result: JobResult): object {
  switch (result.kind) {
    case "train": {
      const { evaluations, published, base, ...others } = result;
      const last = evaluations.test ?? evaluations.validation ?? evaluations.train;
      const figures = SPLITS.flatMap((split) => {
        const evaluation = evaluations[split];
        return evaluation ? [[split, figuresOf(evaluation)] as const] : [];
      });
      return {
        handle: published?.handle ?? null,
        ...(published && { version: published.version, digest: published.digest }),
        ...accuracies(result),
        ...(last?.target === "class" && { confusionMatrix: last.confusionMatrix }),
        job,
        base: base.handle,
        ...others,
        evaluations: Object.fromEntries(figures),
      };
    }
    case "evaluate": {
      const { evaluation, module, ...others } = result;
      return {
        handle: module.handle,
        accuracy: accuracyOf(evaluation),
        ...(evaluation.target === "class" && { confusionMatrix: evaluation.confusionMatrix }),
        job,
        ...others,
        evaluation,
      };
    }
    case "rank":
      return { job, ...result };
  }
}

/** `trainAccuracy`, `validationAccuracy`, `testAccuracy`, of the splits that there are; none for numbers. */
const accuracies = ({ evaluations }: TrainResult): Record<string, number> =>
  Object.fromEntries(
    SPLITS.flatMap((split) => {
      const accuracy = accuracyOf(evaluations[split]);
      return accuracy === undefined ? [] : [[`${split}Accuracy`, accuracy]];
    }),
  );

/** The same for people. */
export function printResult(context: Context, result: JobResult): void {
  if (result.kind === "train") printTrained(context, result);
  else if (result.kind === "evaluate") printEvaluated(context, result);
  else printRanked(context, result);
}

function printTrained(
  context: Context,
  { evaluations, steps, bestStep, ended, published, seconds }: TrainResult,
): void {
  const kept = bestStep === steps ? "" : `, the weights of step ${bestStep} kept`;
  const early = ended === "early" ? ", then the validation loss fell no more" : "";
  print(context, `${steps} steps${early}${kept}, ${seconds.total.toFixed(1)} s`);
  for (const split of SPLITS) {
    const evaluation = evaluations[split];
    if (evaluation) print(context, `${split.padEnd(10)}  ${figuresText(evaluation)}`);
  }
  const last = evaluations.test ?? evaluations.validation ?? evaluations.train;
  if (last) printDetails(context, last);
  if (published) print(context, `Published ${published.handle}  ${published.digest}`);
}

function printEvaluated(context: Context, { module, of, evaluation }: EvaluateResult): void {
  const which =
    of === "test"
      ? `the ${evaluation.examples} examples of the test split`
      : `all ${evaluation.examples} examples`;
  print(context, `${module.handle} on ${which}`);
  print(context, figuresText(evaluation));
  printDetails(context, evaluation);
}

function printRanked(context: Context, { candidates }: RankResult): void {
  const columns = [
    { title: "MODULE", text: ({ handle }: RankResult["candidates"][number]) => handle, shrinks: true },
    { title: "ERROR", text: ({ nearest }: RankResult["candidates"][number]) => nearest.error.toFixed(4) },
    {
      title: "WRONG",
      text: ({ nearest }: RankResult["candidates"][number]) => `${nearest.wrong} of ${nearest.examples}`,
    },
    { title: "NUMBERS", text: ({ features }: RankResult["candidates"][number]) => `${features}` },
    {
      title: "EXAMPLES/S",
      text: ({ examplesPerSecond }: RankResult["candidates"][number]) => examplesPerSecond.toFixed(0),
    },
  ];
  printTable(context.out, columns, candidates);
}

function figuresText(evaluation: Evaluation): string {
  switch (evaluation.target) {
    case "class": {
      const area = evaluation.rocAuc === undefined ? "" : `  ROC-AUC ${evaluation.rocAuc.toFixed(4)}`;
      return `accuracy ${evaluation.accuracy.toFixed(4)}  F1 ${evaluation.macro.f1.toFixed(4)}${area}  loss ${evaluation.logLoss.toFixed(4)}`;
    }
    case "labels":
      return `all labels right ${evaluation.subsetAccuracy.toFixed(4)}  F1 ${evaluation.micro.f1.toFixed(4)}`;
    case "number": {
      const r2 = evaluation.r2 === undefined ? "" : `  R² ${evaluation.r2.toFixed(4)}`;
      return `mean error ${short(evaluation.meanAbsoluteError)}  root mean square ${short(evaluation.rootMeanSquaredError)}${r2}`;
    }
  }
}

function printDetails(context: Context, evaluation: Evaluation): void {
  if (evaluation.target === "class" && evaluation.confusionMatrix) {
    const { labels, counts } = evaluation.confusionMatrix;
    if (labels.length <= MATRIX) {
      print(context, "confusion matrix (a row a true class, a column what was said):");
      const names = labels.map(oneLine);
      const cells = [["", ...names], ...counts.map((row, index) => [names[index] ?? "", ...row.map(String)])];
      const widths =
        cells[0]?.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0))) ?? [];
      for (const row of cells)
        print(context, `  ${row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join("  ")}`);
    }
  }
  const mistakes = evaluation.mistakes.slice(0, MISTAKES);
  if (mistakes.length > 0 && evaluation.target !== "number") print(context, "the surest mistakes:");
  if (mistakes.length > 0 && evaluation.target === "number") print(context, "the largest errors:");
  for (const { id, text, truth, predicted } of mistakes)
    print(
      context,
      `  ${oneLine(id)}  ${said(truth)}, not ${said(predicted)}  ${oneLine(text ?? "").slice(0, 80)}`,
    );
}

const said = (label: string | number | string[]): string =>
  Array.isArray(label)
    ? `[${label.map(oneLine).join(", ")}]`
    : typeof label === "number"
      ? short(label)
      : oneLine(label);

const short = (value: number): string => `${Number(value.toPrecision(4))}`;
