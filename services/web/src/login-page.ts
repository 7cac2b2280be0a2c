import { html } from "./html.ts";
import { page } from "./layout.ts";

export interface LoginView {
  /** The path that the visitor goes on to. */
  next: string;
  /** Why the last try was refused. */
  refusal?: string;
}

/** The page on which a browser signs in with a token, to see private modules. */
export function loginPage({ next, refusal }: LoginView): string {
  return page(
    { title: "Sign in" },
    html`<h1>Sign in</h1>
${refusal !== undefined && html`<p class="warning" role="alert">${refusal}</p>`}
<form class="login" action="/login" method="post">
<p><label for="token">Token</label>
<input id="token" name="token" type="password" required autocomplete="current-password" maxlength="512" size="44"></p>
<input type="hidden" name="next" value="${next}">
<p><button type="submit">Sign in</button></p>
</form>
<p class="note">You then see the private modules that your token may read, and can try them. Nothing can be changed from
here. The browser keeps no copy of the token; revoking the token ends this session too.</p>`,
  );
}
