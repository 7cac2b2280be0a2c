import { expect, test } from "vitest";
import { html, type Markup } from "./html.ts";

test("text is escaped in elements and in attributes", () => {
  const hostile = `"><script>alert('x')</script>&`;
  expect(html`<p title="${hostile}">${hostile}</p>`.text).toBe(
    '<p title="&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;">' +
      "&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;</p>",
  );
});

test("markup is kept, lists are joined, and what is absent leaves no trace", () => {
  const items = ["<a>", "b"].map((item) => html`<li>${item}</li>`);
  expect(html`<ul>${items}${undefined}${false}</ul>${0}`.text).toBe("<ul><li>&lt;a&gt;</li><li>b</li></ul>0");
});

test("only markup of this package is trusted, not objects that look like it", () => {
  const imitation = { text: "<script>" } as unknown as Markup;
  expect(() => html`${imitation}`).toThrow(TypeError);
});

test("NUL and half a surrogate pair become replacement characters", () => {
  expect(html`${"a\0b\ud800"}`.text).toBe("a\uFFFDb\uFFFD");
});
