import { expect, test } from "vitest";
import { renderMarkdown } from "./markdown.ts";

const paths = new Set(["images/plot.png", "docs/how to.md", "LICENSE.txt"]);
const files = {
  addressOf: (path: string) => (paths.has(path) ? `/files/${encodeURIComponent(path)}` : undefined),
};
const render = (source: string) => renderMarkdown(source, files).text;

/** Ways to smuggle a script in, after OWASP's XSS filter evasion cheat sheet. */
const HOSTILE = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "text <svg/onload=alert(1)> text",
  "<p onclick='alert(1)'>x</p>",
  "<<script>script>alert(1)<</script>/script>",
  "<a href='javascript:alert(1)'>x</a>",
  "[x](javascript:alert(1))",
  "[x](JaVaScRiPt:alert(1))",
  "[x](&#106;avascript:alert(1))",
  "[x](java\tscript:alert(1))",
  "[x](data:text/html,<script>alert(1)</script>)",
  "[x](vbscript:alert(1))",
  "[x](//evil.example)",
  '[x](https://a.example "title\\" onmouseover=alert(1)")',
  "![x](javascript:alert(1))",
  "![x](data:image/svg+xml;base64,AAAA)",
  '![" onerror=alert(1) x="](images/plot.png)',
  "<javascript:alert(1)>",
  "[x][ref]\n\n[ref]: javascript:alert(1)",
  '```"><script>alert(1)</script>\n</code></pre><script>alert(1)</script>\n```',
  "# <script>alert(1)</script>\n",
  "<!-- --!><script>alert(1)</script> -->",
  "<style>*{display:none}</style>",
  "<iframe src=//evil.example>",
  "<div\nstyle='position:fixed'\n>",
  "| <script>alert(1)</script> |\n|:-:|\n| <img src=x onerror=alert(1)> |",
];

test("nothing that a README holds becomes script, style, frame or handler", () => {
  for (const source of [...HOSTILE, HOSTILE.join("\n\n"), HOSTILE.map((line) => `> - ${line}`).join("\n")]) {
    const out = render(source);
    const tags = out.match(/<[^>]*>/g) ?? [];
    for (const tag of tags) {
      expect(tag, source).toMatch(
        /^<\/?(p|a|em|strong|code|pre|h[3-6]|div|table|thead|tbody|tr|t[hd]|ul|ol|li|img|blockquote|hr|br)\b/,
      );
      expect(tag.replace(/"[^"]*"/g, '""'), source).not.toMatch(/\son\w+=|\sstyle=/i);
      for (const [, address] of tag.matchAll(/(?:href|src)="([^"]*)"/g))
        expect(address, source).toMatch(/^(https?:\/\/|mailto:|#readme-|\/files\/)/);
    }
  }
});

test("the words between raw HTML tags stay, comments go", () => {
  expect(render('<p align="center">\nHello <b>you</b>\n</p>\n\n<!-- secret -->\n\nA <i>word</i>.')).toBe(
    "<p>Hello  you</p>\n<p>A word.</p>\n",
  );
});

test("links say that a publisher made them; relative ones lead to the version's files or nowhere", () => {
  expect(render("[a](https://a.example)")).toBe(
    '<p><a href="https://a.example" rel="nofollow ugc noopener noreferrer">a</a></p>\n',
  );
  expect(render("[a](./docs/how%20to.md#x)")).toContain('href="/files/docs%2Fhow%20to.md"');
  expect(render("[a](missing.md)")).toBe("<p><a>a</a></p>\n");
  expect(render("[a](#Some-Part)\n\n# Some part")).toContain('<a href="#readme-some-part">');
});

test("pictures of the version are shown, those from elsewhere are words", () => {
  expect(render("![A plot](images/plot.png)")).toBe(
    '<p><img src="/files/images%2Fplot.png" alt="A plot" loading="lazy"></p>\n',
  );
  expect(render("![logo](https://elsewhere.example/a.png)")).toBe("<p>[logo]</p>\n");
});

test("headings stand below the page's, and carry anchors once", () => {
  expect(render("# Use\n\n## Use\n\n###### Deep")).toBe(
    '<h3 id="readme-use">Use</h3>\n<h4>Use</h4>\n<h6 id="readme-deep">Deep</h6>\n',
  );
});

test("cells are aligned without style attributes", () => {
  const out = render("| a | b |\n|---:|:---:|\n| 1 | 2 |");
  expect(out).not.toContain("style");
  expect(out).toContain('<td class="right">1</td>');
});

test("long and deeply nested READMEs are rendered in time", () => {
  for (const source of [
    "[".repeat(100_000),
    ">".repeat(100_000),
    "*a_".repeat(60_000),
    "<!--".repeat(50_000),
    "<a".repeat(100_000),
    "`".repeat(100_000),
    `${"|a".repeat(2000)}|\n${"|-".repeat(2000)}|\n${`${"|a".repeat(2000)}|\n`.repeat(40)}`,
    "- ".repeat(100_000),
  ]) {
    const started = performance.now();
    render(source);
    expect(performance.now() - started, source.slice(0, 10)).toBeLessThan(2000);
  }
});
