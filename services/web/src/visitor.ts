import { type Content, html } from "./html.ts";

/** Who looks at a page. */
export interface Visitor {
  /** Absent of one who has not signed in. */
  account?: string;
  /** The path of the page, to come back to. */
  path: string;
}

/** Where a visitor signs in, to come back to a path. */
export const signInAddress = (path: string): string => `/login?${new URLSearchParams({ next: path })}`;

/** In the head of a page: who is signed in, and the way out, or the way in. */
export function visitorMenu({ account, path }: Visitor): Content {
  if (account === undefined) return html`<a class="visitor" href="${signInAddress(path)}">Sign in</a>`;
  return html`<form class="visitor" action="/logout" method="post"><span>Signed in as <strong>${account}</strong></span>
<button type="submit">Sign out</button></form>`;
}
