import type { Visibility } from "@modulehub/core";
import { type Content, html } from "./html.ts";
import { pagePath } from "./module-view.ts";
import { day } from "./quantity.ts";

/** A module in a list. */
export interface ModuleRow {
  module: string;
  visibility: Visibility;
  title?: string;
  /** Absent while no version can be seen. */
  latest?: { version: number; task: string; publishedAt: string };
}

/** A page of a list; `next` is the address of the following one. */
export interface ModuleList {
  items: readonly ModuleRow[];
  next?: string;
}

export function moduleList({ items, next }: ModuleList): Content {
  return html`<ul class="modules">${items.map(
    ({ module, title, visibility, latest }) => html`<li>
<a href="${pagePath(module)}">${title === undefined ? module : html`<bdi>${title}</bdi>`}</a>${
      visibility === "private" && html` <span class="badge">private</span>`
    }
<p>${title !== undefined && html`<code>${module}</code> · `}${
      latest === undefined
        ? "nothing published yet"
        : html`${latest.task} · version ${latest.version} · <time datetime="${latest.publishedAt}">${day(latest.publishedAt)}</time>`
    }</p></li>`,
  )}</ul>
${next !== undefined && html`<p><a class="button" rel="next" href="${next}">More modules</a></p>`}`;
}
