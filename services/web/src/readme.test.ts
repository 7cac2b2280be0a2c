import { expect, test } from "vitest";
import { readReadme } from "./readme.ts";

test("the card is the front matter, in Hugging Face's words and the hub's", () => {
  const { card, body } = readReadme(
    [
      "---",
      "title: English text embedding",
      "domain: text",
      "architecture: NNLM",
      "datasets: [wikipedia, gigaword]",
      "language: en",
      "license: pddl-1.0",
      "base_model: acme/base",
      "tags: [glove, 100]",
      "---",
      "",
      "# A text",
    ].join("\r\n"),
  );
  expect(card).toEqual({
    title: "English text embedding",
    domain: "text",
    architecture: "NNLM",
    license: "pddl-1.0",
    languages: ["en"],
    datasets: ["wikipedia", "gigaword"],
    baseModels: ["acme/base"],
    tags: ["glove", "100"],
  });
  expect(body.trim()).toBe("# A text");
});

test("a README without front matter, and one with an empty one, have an empty card", () => {
  for (const source of ["# Title\n\n---\n\ntext", "---\n---\n# Title", ""]) {
    const { card } = readReadme(source);
    expect(card).toEqual({ languages: [], datasets: [], baseModels: [], tags: [] });
  }
  expect(readReadme("---\n---\n# Title").body).toBe("# Title");
});

test("values of another form than expected are left out, the others stay", () => {
  const { card } = readReadme("---\ntitle: {a: b}\nlanguage: [en, {x: y}, de]\nlicense: mit\n---\n");
  expect(card).toMatchObject({ license: "mit", languages: ["en", "de"] });
  expect(card.title).toBeUndefined();
});

test("a licence that Hugging Face calls other has its own name", () => {
  expect(readReadme("---\nlicense: other\nlicense_name: acme-1\n---\n").card.license).toBe("acme-1");
});

test("benchmark results, however many, don't hide the card", () => {
  const results = Array.from({ length: 5000 }, (_, index) => `  - type: task ${index}`).join("\n");
  const { card } = readReadme(`---\ntags: [a]\nmodel-index:\n- name: x\n${results}\nlicense: mit\n---\n`);
  expect(card).toMatchObject({ tags: ["a"], license: "mit" });
});

test("front matter that is broken, nested without end, or multiplies itself is a fault, told quickly", () => {
  const started = performance.now();
  const lists = ["a0: &a0 [x,x,x,x,x,x,x,x]"];
  for (let index = 1; index < 9; index += 1)
    lists.push(`a${index}: &a${index} [${new Array(8).fill(`*a${index - 1}`).join(",")}]`);
  for (const yaml of [
    ": : :\n- [",
    `title: ${"[".repeat(16_000)}`,
    lists.join("\n"),
    "x".repeat(70_000),
    "- a",
  ])
    expect(readReadme(`---\n${yaml}\n---\n`).card.fault, yaml.slice(0, 20)).toBeTypeOf("string");
  expect(performance.now() - started).toBeLessThan(3000);
});

test("names of the prototype are no values of the card", () => {
  const { card } = readReadme("---\n__proto__: {title: evil}\nconstructor: x\n---\n");
  expect(card.title).toBeUndefined();
  expect(Object.getPrototypeOf(card)).toBe(Object.prototype);
});
