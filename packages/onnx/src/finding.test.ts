import { expect, test } from "vitest";
import { goodModule, hostileModules } from "../../../test/fixtures/hostile-modules.ts";
import { checkGraphFile } from "./check-model.ts";
import { findingSentence } from "./finding.ts";

const refusals = (name: string): string[] => {
  const files = hostileModules().find((module) => module.name === name)?.files ?? goodModule();
  const { findings } = checkGraphFile(files["model.onnx"]!, { path: "model.onnx" });
  return findings.map((finding) => findingSentence(finding, "model.onnx"));
};

test.each([
  ["two values of one name", 'model.onnx, node 1 (Neg): the name "y" is assigned twice; rename one of them.'],
  ["no outputs", "model.onnx: the graph has no outputs."],
  ["a Git LFS pointer", "model.onnx: the first line is that of a Git LFS pointer."],
])("%s: the place comes first, then a sentence", (name, sentence) => {
  expect(refusals(name)).toEqual([sentence]);
});

test("whatever is wrong is told in sentences of one place each", () => {
  const all = hostileModules().flatMap(({ name }) => refusals(name));
  expect(all.length).toBeGreaterThan(20);
  for (const sentence of all) {
    expect(sentence).toMatch(/^model\.onnx(, [^:]+)?: .*[a-z0-9"\]]\.$/);
    expect(sentence.length).toBeLessThan(400);
  }
});
