import type { Lineage, Relative, TrainedFrom } from "@modulehub/core";
import { type Content, html } from "./html.ts";
import { pagePath } from "./module-view.ts";
import { count, day } from "./quantity.ts";
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

function offspring(descendants: Lineage["descendants"]): Content {
  const rows = descendants
    .slice(0, MAX_RELATIVES)
    .map((one) => [
      nameOf(one),
      html`<bdi>${one.from}</bdi>`,
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
