import type { ProblemDocument } from "@modulehub/core";
import { type Content, html } from "./html.ts";
import { page } from "./layout.ts";

/** An error as a page, for browsers: the same words as the problem document. */
export function problemPage(document: ProblemDocument): string {
  const { status, title, detail, code, requestId } = document;
  return page(
    { title: `${status}: ${title}` },
    html`<h1>${title}</h1>
${detail !== undefined && html`<p><bdi>${detail}</bdi></p>`}
${advice(status)}
<p class="note">${status} <code>${code}</code>${requestId !== undefined && html`, request <code>${requestId}</code>`}</p>`,
  );
}

function advice(status: number): Content {
  if (status === 404)
    return html`<p>A private module looks the same as one that isn’t there. <a href="/">All modules</a></p>`;
  if (status === 401)
    return html`<p>Browsers are served public modules; private ones answer programs that send a token.</p>`;
  return html`<p><a href="/">All modules</a></p>`;
}
