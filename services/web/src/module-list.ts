import type { Visibility } from "@modulehub/core";
import { type Content, html } from "./html.ts";
import { languageName } from "./language-name.ts";
import { pagePath } from "./module-view.ts";
import { day } from "./quantity.ts";

/** A module in a list. */
export interface ModuleRow {
  module: string;
  visibility: Visibility;
  title?: string;
  description?: string;
  license?: string;
  languages?: readonly string[];
  /** Absent while no version can be seen. */
  latest?: { version: number; task: string; publishedAt: string };
}

/** A page of a list; `next` is the address of the following one. */
export interface ModuleList {
  items: readonly ModuleRow[];
  next?: string;
  /** More modules may fit than are ranked. */
  capped?: boolean;
}

/** Languages that are named; of more, their number is. */
const MAX_LANGUAGES = 3;

export function moduleList({ items, next }: ModuleList): Content {
  return html`<ul class="modules">${items.map(listed)}</ul>
${next !== undefined && html`<p><a class="button" rel="next" href="${next}">More modules</a></p>`}`;
}

function listed({ module, title, description, visibility, ...row }: ModuleRow): Content {
  return html`<li>
<a href="${pagePath(module)}">${title === undefined ? module : html`<bdi>${title}</bdi>`}</a>${
    visibility === "private" && html` <span class="badge">private</span>`
  }
${description !== undefined && html`<p class="description"><bdi>${description}</bdi></p>`}
<p class="quiet">${title !== undefined && html`<code>${module}</code> · `}${
    row.latest === undefined ? "nothing published yet" : factsOf(row.latest, row)
  }</p></li>`;
}

function factsOf(
  { task, version, publishedAt }: NonNullable<ModuleRow["latest"]>,
  { license, languages = [] }: Pick<ModuleRow, "license" | "languages">,
): Content {
  const spoken =
    languages.length > MAX_LANGUAGES
      ? `${languages.length} languages`
      : languages.map(languageName).join(", ");
  return html`<bdi>${task}</bdi>${license !== undefined && html` · <bdi>${license}</bdi>`}${
    spoken !== "" && html` · <bdi>${spoken}</bdi>`
  } · version ${version} · <time datetime="${publishedAt}">${day(publishedAt)}</time>`;
}
