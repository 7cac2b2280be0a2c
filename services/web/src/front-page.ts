import { html } from "./html.ts";
import { page } from "./layout.ts";
import { type ModuleList, moduleList } from "./module-list.ts";
import { type FilterValues, filterForm, isFiltered, type SearchQuery } from "./search-form.ts";
import type { Visitor } from "./visitor.ts";

export interface FrontView {
  query: SearchQuery;
  modules: ModuleList;
  values: FilterValues;
}

/** The hub's first page: a form to search with, and the modules that were found, or all. */
export function frontPage({ query, modules, values }: FrontView, visitor?: Visitor): string {
  const words = query.q.trim();
  const found = words !== "" || isFiltered(query);
  const heading = words !== "" ? html`Found for “<bdi>${words}</bdi>”` : found ? "Found" : "Modules";
  return page(
    {
      title: words !== "" ? `Search: ${words}` : found ? "Search" : "Modules",
      description: "A hub for ONNX modules that also runs what it hosts.",
      withoutSearch: true,
      visitor,
    },
    html`<div class="hero"><h1>ONNX modules, ready to run</h1>
<p>Every module here has a URL: read about it, download it, call it over HTTP.</p>
${filterForm(query, values)}</div>
<section aria-labelledby="list-title"><h2 id="list-title">${heading}</h2>
${modules.capped && html`<p class="note">Very many modules fit; these are the best of those that were ranked. More words find fewer.</p>`}
${modules.items.length > 0 ? moduleList(modules) : html`<p>${found ? "No module fits. Try fewer or other words or filters." : "Nothing has been published here yet."}</p>`}</section>`,
  );
}
