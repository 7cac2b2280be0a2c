import { expect, test } from "vitest";
import { fileRole, isDocumentation } from "./documentation.ts";
import { isSafeFilePath } from "./file-path.ts";

test.each([
  "README",
  "README.md",
  "readme.TXT",
  "README_zh.md",
  "LICENSE",
  "LICENSE-MIT",
  "LICENSE.Apache-2.0",
  "LICENCE.md",
  "NOTICE",
  "docs/usage.md",
  "docs/a/b/plot.svg",
  "images/cat.JPG",
])("%s is documentation, unless the manifest uses it", (path) => {
  expect(isDocumentation(path)).toBe(true);
  expect(fileRole(path)).toBe("doc");
  expect(isDocumentation(path, new Set([path]))).toBe(false);
});

test.each([
  "module.json",
  "model.onnx",
  "README.onnx",
  "license-plate.onnx_data",
  "license_plate.bin",
  "licenseplates.txt",
  "sub/README.md",
  "sub/LICENSE",
  "docs/model.onnx",
  "images/weights.bin",
  "docs",
  "mydocs/a.md",
])("%s is content", (path) => {
  expect(isDocumentation(path)).toBe(false);
});

test("a file's role comes from its path and from whether a graph keeps data in it", () => {
  expect(fileRole("onnx/model.onnx")).toBe("graph");
  expect(fileRole("model.onnx_data")).toBe("weights");
  expect(fileRole("model.onnx.data")).toBe("weights");
  expect(fileRole("tokenizer.json")).toBe("asset");
  expect(fileRole("embedding/part0", undefined, new Set(["embedding/part0"]))).toBe("weights");
});

test.each([
  "a",
  "a/b.onnx",
  ".gitattributes",
  "a b/ä.txt",
  "console.log",
  "a..b",
  "%2e%2e/x",
  "constructor",
  "a".repeat(512),
])("%.40s may be the path of a file", (path) => {
  expect(isSafeFilePath(path)).toBe(true);
});

test.each([
  "",
  "/a",
  "a/",
  "a//b",
  ".",
  "..",
  "a/../b",
  "./a",
  "a/..",
  "a\\b",
  "C:a",
  "a:b",
  "a\0b",
  "a\nb",
  "a.",
  "a /b",
  "CON",
  "a/nul.txt",
  "a/COM1",
  "a?b",
  "__proto__/a",
  "\ud800",
  "ä".repeat(257),
])("%o may not be the path of a file", (path) => {
  expect(isSafeFilePath(path)).toBe(false);
});
