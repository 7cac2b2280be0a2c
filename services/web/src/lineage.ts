import type { Lineage, Relative, TrainedFrom, VersionComparison } from "@modulehub/core";
import { type Content, html } from "./html.ts";
import { pagePath } from "./module-view.ts";
import { count, day, plural } from "./quantity.ts";
import { table } from "./table.ts";

/** Relatives that the page lists; more are counted, and listed by the API. */
const MAX_RELATIVES = 50;

/** Whether there is anything to tell of a version's lineage. */
export const hasLineage = ({ trainedFrom, descendants }: Lineage): boolean =>
  trainedFrom !== undefined || descendants.length > 0;

/** What a version was trained from, and what was trained from it. */
export function lineage({ trainedFrom, ancestors, descendants }: Lineage): Content {
  return html`${trainedFrom !== undefined && origin(trainedFrom, ancestors)}
${descendants.length > 0 && offspring(descendants)}`;
}

function origin(from: TrainedFrom, ancestors: readonly Relative[]): Content {
  const { base, dataSet, settings, at } = from;
  const { hidden, output } = settings.head;
  return html`<p>Trained on <time datetime="${at}">${day(at)}</time>${
    base !== undefined && html` from ${nameOf(base)}`
  }${ancestors.length > 0 && html`, which comes from ${ancestors.map((one, index) => html`${index > 0 && ", "}${nameOf(one)}`)}`} on the data <bdi>${dataSet.name}</bdi>, with ${
    settings.optimizer.name
  } in ${count(settings.steps)} steps, ${
    hidden.length === 0 ? "no hidden layer" : `hidden layers of ${hidden.join(", ")}`
  }, ${output} output, seed ${settings.seed}.</p>
<p class="note">Data: <code class="digest">${dataSet.digest}</code></p>`;
}

/** How a version does beside an earlier one. */
export function comparison({ first, second, comparisons }: VersionComparison): Content {
  return comparisons.map(({ dataSet, split, examples, comparison: { differences, mcnemar } }) => {
    const rows = Object.entries(differences).map(([name, of]) => [
      METRICS[name] ?? name,
      of.first.toFixed(4),
      of.second.toFixed(4),
      `${of.difference < 0 ? "−" : "+"}${Math.abs(of.difference).toFixed(4)}`,
    ]);
    const caption = `Beside the version before, on ${dataSet.name}${split === undefined ? "" : ` (${split})`}: ${plural(examples, "example")}`;
    return html`${table({ caption, head: ["Metric", first, second, "Difference"], rows, numbers: [1, 2, 3] })}
${mcnemar && html`<p class="note">${count(mcnemar.onlyFirst)} were right in the version before only, ${count(mcnemar.onlySecond)} in this one only; by chance alone p = ${mcnemar.pValue.toPrecision(2)}.</p>`}`;
  });
}

const METRICS: Readonly<Record<string, string>> = {
  accuracy: "Accuracy",
  macroPrecision: "Precision, mean of classes",
  macroRecall: "Recall, mean of classes",
  macroF1: "F1, mean of classes",
  microF1: "F1, of all labels",
  rocAuc: "Area under the ROC curve",
  logLoss: "Log loss",
  subsetAccuracy: "All labels right",
  hammingLoss: "Share of labels wrong",
  meanAbsoluteError: "Mean absolute error",
  rootMeanSquaredError: "Root mean squared error",
  r2: "R²",
};

function offspring(descendants: Lineage["descendants"]): Content {
  const rows = descendants
    .slice(0, MAX_RELATIVES)
    .map((one) => [
      nameOf(one),
      one.from === undefined ? "another" : html`<bdi>${one.from}</bdi>`,
      html`<time datetime="${one.at}">${day(one.at)}</time>`,
    ]);
  const more = descendants.length - MAX_RELATIVES;
  return html`${table({ caption: "Trained from this version", head: ["Module", "From", "On"], rows })}
${more > 0 && html`<p class="note">${count(more)} more are listed by the API.</p>`}`;
}

/** A relative's name, a link where it is still there. */
function nameOf({ handle, deleted, yanked }: Relative): Content {
  const name = html`<bdi>${handle}</bdi>`;
  if (deleted) return html`${name} <span class="badge">deleted</span>`;
  const [, module = handle, version] = /^(.*)\/(\d+)$/.exec(handle) ?? [];
  return html`<a href="${pagePath(module, Number(version))}">${name}</a>${yanked && html` <span class="badge">yanked</span>`}`;
}
