import { expect, test } from "vitest";
import { firstParagraph, plainText } from "./plain-text.ts";

test("a README's first paragraph is what it says after headings, badges, HTML and code", () => {
  const readme = `<p align="center"><img src="x.png"></p>

# MiniLM

![badge](https://img.example/badge.svg)

\`\`\`sh
pip install it
\`\`\`

- a list

This is a **sentence** embedding, see [the paper](https://example.org/paper),
for \`short\` texts.

More.`;
  expect(firstParagraph(readme)).toBe("This is a sentence embedding, see the paper, for short texts.");
});

test("a README of marks alone has no description, and a long paragraph is cut", () => {
  expect(firstParagraph("# Title\n\n---\n\n![a](b)\n")).toBeUndefined();
  expect(firstParagraph("")).toBeUndefined();
  expect(firstParagraph(`${"word ".repeat(100)}`)).toHaveLength(241);
});

test("names with underscores stay whole, and addresses are left out", () => {
  expect(plainText("use `input_ids` of https://example.org/a_b now")).toBe("use input_ids of now");
});

test("text made to be slow is read in little time", () => {
  for (const hostile of ["[", "![", "<", "*", "[a](", "](", "`_"]) {
    const start = performance.now();
    plainText(hostile.repeat(100_000 / hostile.length));
    firstParagraph(hostile.repeat(100_000 / hostile.length));
    expect(performance.now() - start, hostile).toBeLessThan(2_000);
  }
});
