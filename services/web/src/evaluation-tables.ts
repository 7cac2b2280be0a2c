import { type EvaluationFigures, SPLITS, type StoredEvaluation, type TrainedFrom } from "@modulehub/core";
import { type Content, html } from "./html.ts";
import { count, day } from "./quantity.ts";
import { table } from "./table.ts";

/** Classes up to which their figures, and the confusion matrix, are shown; more are listed by the API. */
const MAX_CLASSES = 50;
const MAX_MATRIX = 20;

/** How well a version does: on the splits it was trained with, and on the data sets it was evaluated on since. */
export interface Evaluations {
  trained?: TrainedFrom["figures"];
  stored: readonly StoredEvaluation[];
}

/** Whether anybody has ever looked how well a version does. */
export const hasEvaluations = ({ trained = {}, stored }: Evaluations): boolean =>
  stored.length > 0 || SPLITS.some((split) => trained[split] !== undefined);

/** A line for every split and every evaluation, then the classes of what says most: the test split, else the newest evaluation. */
export function evaluationTables({ trained = {}, stored }: Evaluations): Content {
  const splits = SPLITS.flatMap((split) => {
    const figures = trained[split];
    return figures === undefined ? [] : [{ on: html`its ${split} split`, figures }];
  });
  const since = stored.map(({ dataSet, figures, at }) => ({
    on: html`<bdi>${dataSet.name}</bdi>, <time datetime="${at}">${day(at)}</time>`,
    figures,
  }));
  const rows = [...splits, ...since].map(({ on, figures }) => [on, count(figures.examples), scores(figures)]);
  const detail = trained.test ?? stored[0]?.figures ?? trained.validation ?? trained.train;
  const of =
    detail === undefined
      ? ""
      : (SPLITS.find((split) => trained[split] === detail)?.concat(" split") ??
        stored[0]?.dataSet.name ??
        "");
  return html`${table({ caption: "How well it does", head: ["On", "Examples", "Scores"], rows, numbers: [1] })}
${detail !== undefined && classTables(detail, of)}`;
}

function scores(figures: EvaluationFigures): string {
  switch (figures.target) {
    case "number":
      return named({
        "root mean square error": figures.rootMeanSquaredError.toPrecision(4),
        "mean error": figures.meanAbsoluteError.toPrecision(4),
        "R²": optional(figures.r2),
      });
    case "labels":
      return named({
        "all labels right": share(figures.subsetAccuracy),
        F1: share(figures.micro.f1),
      });
    case "class":
      return named({
        accuracy: share(figures.accuracy),
        F1: share(figures.macro.f1),
        "ROC-AUC": optional(figures.rocAuc),
      });
  }
}

const named = (scores: Record<string, string | undefined>): string =>
  Object.entries(scores)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value}`]))
    .join(", ");

function classTables(figures: EvaluationFigures, of: string): Content {
  if (figures.target === "number") return false;
  const classes = figures.target === "class" ? figures.classes : figures.labels;
  const matrix = figures.target === "class" ? figures.confusionMatrix : undefined;
  return html`${
    classes.length > 0 &&
    table({
      caption: `Classes, ${of}`,
      head: ["Class", "Examples", "Precision", "Recall", "F1"],
      rows: classes
        .slice(0, MAX_CLASSES)
        .map(({ label, support, precision, recall, f1 }) => [
          html`<bdi>${label}</bdi>`,
          count(support),
          share(precision),
          share(recall),
          share(f1),
        ]),
      numbers: [1, 2, 3, 4],
    })
  }
${classes.length > MAX_CLASSES && html`<p class="note">${count(classes.length - MAX_CLASSES)} more are listed by the API.</p>`}
${
  matrix !== undefined &&
  matrix.labels.length <= MAX_MATRIX &&
  table({
    caption: `Confusion matrix, ${of}: a row a true class, a column what was said`,
    head: ["", ...matrix.labels],
    rows: matrix.counts.map((row, index) => [
      html`<bdi>${matrix.labels[index] ?? ""}</bdi>`,
      ...row.map((cell, column) => (index === column ? html`<strong>${count(cell)}</strong>` : count(cell))),
    ]),
    numbers: matrix.labels.map((_, index) => index + 1),
  })
}`;
}

const share = (value: number): string => value.toFixed(4);
const optional = (value: number | undefined): string | undefined =>
  value === undefined ? undefined : share(value);
