import { ICON, SCRIPT, STYLE } from "./assets.ts";
import { type Content, html } from "./html.ts";
import { type Visitor, visitorMenu } from "./visitor.ts";

/**
 * Headers of every page. Scripts and styles come from the hub's own files only, none are inline, and nothing
 * of another host is loaded; `blob:` shows the picture that a visitor is about to try.
 */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "referrer-policy": "same-origin",
  "x-content-type-options": "nosniff",
};

/** What stands around a page's content. */
export interface Frame {
  /** The title of the tab; the hub's name is added. */
  title: string;
  description?: string;
  /** What the search box holds. */
  query?: string;
  /** The search box stands in the page itself. */
  withoutSearch?: boolean;
  /** Who looks at it; absent where it makes no difference. */
  visitor?: Visitor | undefined;
}

/** A whole page as HTML. */
export function page({ title, description, query, withoutSearch, visitor }: Frame, content: Content): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${title} – Modulehub</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${description !== undefined && html`<meta name="description" content="${description}">`}
<link rel="icon" href="${ICON.address}" type="image/svg+xml">
<link rel="stylesheet" href="${STYLE.address}">
<script type="module" src="${SCRIPT.address}"></script>
</head>
<body>
<a class="skip" href="#content">Skip to content</a>
<header class="site"><div class="wide">
<a class="brand" href="/"><img src="${ICON.address}" alt="" width="24" height="24"> Modulehub</a>
${!withoutSearch && searchForm(query)}
${visitor && visitorMenu(visitor)}
</div></header>
<main id="content" class="wide" tabindex="-1">
${content}
</main>
<footer class="site"><div class="wide"><a href="/">All modules</a> <a href="/openapi.json">API description</a></div></footer>
</body>
</html>
`.text;
}

/** The form that searches modules; works without scripts. */
export const searchForm = (query = "") => html`<form class="search" role="search" action="/" method="get">
<label class="unseen" for="search">Search modules</label>
<input id="search" type="search" name="q" value="${query}" placeholder="Search modules" autocomplete="off" maxlength="200">
<button type="submit">Search</button>
</form>`;
