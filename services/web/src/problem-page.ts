import type { ProblemDocument } from "@modulehub/core";
import { type Content, html } from "./html.ts";
import { page } from "./layout.ts";
import { signInAddress, type Visitor } from "./visitor.ts";

/** An error as a page, for browsers: the same words as the problem document. */
export function problemPage(document: ProblemDocument, visitor?: Visitor): string {
  const { status, title, detail, code, requestId } = document;
  return page(
    { title: `${status}: ${title}`, visitor },
    html`<h1>${title}</h1>
${detail !== undefined && html`<p><bdi>${detail}</bdi></p>`}
${advice(status, visitor)}
<p class="note">${status} <code>${code}</code>${requestId !== undefined && html`, request <code>${requestId}</code>`}</p>`,
  );
}

function advice(status: number, visitor: Visitor | undefined): Content {
  const signIn = visitor && html`<a href="${signInAddress(visitor.path)}">Sign in</a>`;
  if (status === 404)
    return html`<p>A private module looks the same as one that isn’t there: to see it, sign in with a token that may. ${signIn} <a href="/">All modules</a></p>`;
  if (status === 401)
    return html`<p>Private modules are shown to those who signed in with a token. ${signIn} <a href="/">All modules</a></p>`;
  return html`<p><a href="/">All modules</a></p>`;
}
