import { html } from "./html.ts";
import { page } from "./layout.ts";
import { type ModuleList, moduleList } from "./module-list.ts";
import { day } from "./quantity.ts";
import type { Visitor } from "./visitor.ts";

export interface PublisherView {
  id: string;
  displayName: string;
  createdAt: string;
  modules: ModuleList;
}

/** The page of a publisher: who it is, and its modules that the visitor may see. */
export function publisherPage(
  { id, displayName, createdAt, modules }: PublisherView,
  visitor?: Visitor,
): string {
  return page(
    { title: displayName, description: `ONNX modules by ${displayName}.`, visitor },
    html`<nav class="path" aria-label="Path"><a href="/">Modules</a> / <span aria-current="page">${id}</span></nav>
<h1><bdi>${displayName}</bdi></h1>
<p>Publisher <code>${id}</code>, here since <time datetime="${createdAt}">${day(createdAt)}</time>.</p>
<p><a href="/?publisher=${encodeURIComponent(id)}">Search among its modules</a></p>
<section aria-labelledby="list-title"><h2 id="list-title">Modules</h2>
${modules.items.length > 0 ? moduleList(modules) : html`<p>It has no modules that everyone may see.</p>`}</section>`,
  );
}
