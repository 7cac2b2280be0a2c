import { html } from "./html.ts";
import { page, searchForm } from "./layout.ts";
import { type ModuleList, moduleList } from "./module-list.ts";

/** The hub's first page: a search box, and the modules that were found, or all. */
export function frontPage({ query, modules }: { query: string; modules: ModuleList }): string {
  const found = query !== "";
  return page(
    {
      title: found ? `Search: ${query}` : "Modules",
      description: "A hub for ONNX modules that also runs what it hosts.",
      withoutSearch: true,
    },
    html`<div class="hero"><h1>ONNX modules, ready to run</h1>
<p>Every module here has a URL: read about it, download it, call it over HTTP.</p>
${searchForm(query)}</div>
<section aria-labelledby="list-title"><h2 id="list-title">${found ? html`Found for “<bdi>${query}</bdi>”` : "Modules"}</h2>
${modules.items.length > 0 ? moduleList(modules) : html`<p>${found ? "No module fits. Try fewer or other words." : "Nothing has been published here yet."}</p>`}</section>`,
  );
}
