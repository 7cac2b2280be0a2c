import { type Content, html } from "./html.ts";
import { languageName } from "./language-name.ts";

/** What was asked for, as it stands in the page's address. */
export interface SearchQuery {
  q: string;
  task: readonly string[];
  publisher: readonly string[];
  dtype: readonly string[];
  input: readonly string[];
  output: readonly string[];
  license: readonly string[];
  language: readonly string[];
  tag: readonly string[];
  sort?: string;
}

/** Values that modules have, with how many of them have each. */
export type FilterValues = Record<
  "task" | "license" | "language" | "dtype" | "publisher",
  readonly { value: string; count: number }[]
>;

const SORTS = { relevance: "best first", name: "by name", recent: "newest first", size: "smallest first" };

const CHOICES = [
  ["task", "Task"],
  ["license", "License"],
  ["language", "Language"],
  ["dtype", "Dtype"],
  ["publisher", "Publisher"],
] as const;

const FIELDS = [
  ["input", "Input", "a name, a dtype, or text:string"],
  ["output", "Output", "a name, a dtype, or name:dtype"],
  ["tag", "Tag", ""],
] as const;

/** Whether anything was asked for but words. */
export const isFiltered = (query: SearchQuery): boolean =>
  [...CHOICES, ...FIELDS].some(([name]) => query[name].length > 0);

/**
 * The form that finds modules by words and filters, each under its name in the API; works without scripts. Of a
 * filter with several values, which only an address can ask for, the form holds each.
 */
export function filterForm(query: SearchQuery, values: FilterValues): Content {
  return html`<form class="filters" role="search" aria-label="Modules" action="/" method="get">
<div class="search"><label class="unseen" for="search">Search modules</label>
<input id="search" type="search" name="q" value="${query.q}" placeholder="Search modules" autocomplete="off" maxlength="200">
<button type="submit">Search</button></div>
<details${isFiltered(query) && html` open`}><summary>Filters</summary><div class="fields">
${CHOICES.map(([name, label]) => choice(name, label, query[name], values[name]))}
${FIELDS.map(([name, label, hint]) => field(name, label, hint, query[name]))}
<div><label for="filter-sort">Sort</label><select id="filter-sort" name="sort">
<option value="">${query.q.trim() === "" ? "by name" : "best first"}</option>
${Object.entries(SORTS)
  .filter(([sort]) => sort !== (query.q.trim() === "" ? "name" : "relevance"))
  .filter(([sort]) => sort !== "relevance" || query.q.trim() !== "")
  .map(([sort, label]) => option(sort, label, query.sort === sort))}
</select></div></div>
<p class="row"><button type="submit">Apply</button>${isFiltered(query) && html` <a class="button" href="${withoutFilters(query)}">Clear filters</a>`}</p></details></form>`;
}

const withoutFilters = ({ q }: SearchQuery): string => (q === "" ? "/" : `/?${new URLSearchParams({ q })}`);

const option = (value: string, label: string, chosen: boolean): Content =>
  html`<option value="${value}"${chosen && html` selected`}>${label}</option>`;

/** Every value that was asked for after the first stays in the form, unseen. */
const others = (name: string, [, ...more]: readonly string[]): Content =>
  more.map((value) => html`<input type="hidden" name="${name}" value="${value}">`);

function choice(
  name: keyof FilterValues,
  label: string,
  asked: readonly string[],
  values: FilterValues[typeof name],
): Content {
  const [chosen = ""] = asked.map((value) => value.toLowerCase());
  const all =
    chosen === "" || values.some(({ value }) => value === chosen)
      ? values
      : [{ value: chosen, count: 0 }, ...values];
  const labelOf = (value: string) =>
    name === "language" && languageName(value) !== value ? `${languageName(value)} (${value})` : value;
  return html`<div><label for="filter-${name}">${label}</label><select id="filter-${name}" name="${name}">
<option value="">any</option>
${all.map(({ value }) => option(value, labelOf(value), value === chosen))}
</select>${others(name, asked)}</div>`;
}

const field = (name: string, label: string, hint: string, asked: readonly string[]): Content =>
  html`<div><label for="filter-${name}">${label}</label><input id="filter-${name}" name="${name}" value="${asked[0] ?? ""}" maxlength="200" autocomplete="off"${hint !== "" && html` placeholder="${hint}"`}>${others(name, asked)}</div>`;
