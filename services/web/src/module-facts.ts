import { type Content, html } from "./html.ts";
import { languageName } from "./language-name.ts";
import { type ModuleView, pagePath } from "./module-view.ts";
import { byteSize, count, day } from "./quantity.ts";
import type { Card } from "./readme.ts";

/** What a version is, in a list of terms: what tfhub.dev's pages said, and what inspection found. */
export function moduleFacts(view: ModuleView, card: Card): Content {
  const { manifest, publisher, report, files } = view;
  const graphs = Object.values(report.graphs);
  const parameters = graphs.reduce((sum, graph) => sum + graph.parameters, 0);
  const facts: [term: string, value: Content][] = [
    ["Problem domain", card.domain ?? domainOf(manifest.task)],
    ["Task", manifest.task],
    ["Publisher", html`<a href="${pagePath(publisher.id)}"><bdi>${publisher.displayName}</bdi></a>`],
    ["Architecture", words(card.architecture)],
    [card.datasets.length > 1 ? "Data sets" : "Data set", list(card.datasets)],
    [card.languages.length > 1 ? "Languages" : "Language", list(card.languages.map(languageName))],
    ["License", words(card.license)],
    [card.baseModels.length > 1 ? "Base models" : "Base model", list(card.baseModels)],
    ["Format", formatOf(view)],
    ["Parameters", parameters > 0 && count(parameters)],
    ["Size", byteSize(files.reduce((sum, { size }) => sum + size, 0))],
    [
      "Version",
      html`${view.version}, of ${html`<time datetime="${view.publishedAt}">${day(view.publishedAt)}</time>`}`,
    ],
    ["Tags", list(card.tags)],
  ];
  return html`<dl class="facts">${facts
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>${
    card.fault !== undefined && html`<p class="note">The card of README.md can’t be read. ${card.fault}</p>`
  }`;
}

const words = (text: string | undefined): Content => text !== undefined && html`<bdi>${text}</bdi>`;

const list = (items: readonly string[]): Content =>
  items.length > 0 && items.map((item, index) => html`${index > 0 && ", "}<bdi>${item}</bdi>`);

/** What a task is about, told from its first word where that says it. */
function domainOf(task: string): string | undefined {
  const [first = ""] = task.split("-");
  return ["text", "image", "audio", "video"].includes(first) ? first : undefined;
}

function formatOf({ report }: ModuleView): string {
  const opsets = new Set(
    Object.values(report.graphs).flatMap(({ opsets }) => opsets[""] ?? opsets["ai.onnx"] ?? []),
  );
  return opsets.size === 0 ? "ONNX" : `ONNX, opset ${[...opsets].sort((a, b) => a - b).join(" and ")}`;
}
