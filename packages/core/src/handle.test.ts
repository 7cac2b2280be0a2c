import fc from "fast-check";
import { expect, test } from "vitest";
import {
  formatHandle,
  hfName,
  isAlias,
  moduleNameFault,
  ociName,
  parseHandle,
  parseModuleName,
  parseReference,
  publisherFault,
  publisherOf,
} from "./handle.ts";
import { ProblemError } from "./problem.ts";
import { RESERVED_PUBLISHERS, RESERVED_SEGMENTS } from "./reserved.ts";

const SHA = `sha256:${"0123456789abcdef".repeat(4)}`;

test.each([
  ["a/b", { kind: "latest" }],
  ["a/b@latest", { kind: "latest" }],
  ["a/b/3", { kind: "version", version: 3 }],
  ["a/b/999999999", { kind: "version", version: 999999999 }],
  ["a/b@stable", { kind: "alias", alias: "stable" }],
  [`a/b@${SHA}`, { kind: "digest", digest: SHA }],
])("%s names module a/b and which version of it", (text, reference) => {
  expect(parseHandle(text)).toEqual({ module: "a/b", reference });
});

test.each([
  "https://hub.example/a/b/3",
  "http://127.0.0.1:8080/a/b/3/",
  "HTTPS://hub.example/a/b/3?tf-hub-format=compressed",
  "https://hub.example/%61/b/3#files",
])("the URL %s is read as the handle it ends in", (url) => {
  expect(formatHandle(parseHandle(url))).toBe("a/b/3");
});

test("a handle's URL may have its @ and colon encoded", () => {
  expect(formatHandle(parseHandle(`https://hub.example/a/b%40${SHA.replace(":", "%3A")}`))).toBe(
    `a/b@${SHA}`,
  );
});

test.each([
  "",
  "a",
  "a/",
  "/a/b",
  "a/b/",
  "a//b",
  "a/b/0",
  "a/b/03",
  "a/b/1000000000",
  "a/b/3/4",
  "a/b/3@stable",
  "a/b@3",
  "a/b@main",
  "a/b@HEAD",
  `a/b@${"a".repeat(40)}`,
  "a/b@sha256:abc",
  "a/b@",
  "a/b@x@y",
  "A/b",
  "-a/b",
  "a-/b",
  "a--b/c",
  "a/b--c",
  "a/b..c",
  "a/.b",
  "a/-b",
  "a/b.git",
  "a/b.GIT/c",
  "a/b c",
  "a/ä",
  "a/b\n",
  "models/b",
  "a/Versions/b",
  "a/b/infer",
  "a/1/2/3/4/5/6/7/8/i",
  `${"a".repeat(65)}/b`,
  `a/${"b".repeat(95)}`,
  "https://hub.example",
  "https://hub.example/a%2Fb",
  "https://hub.example/a/b%",
  "ftp://hub.example/a/b",
])("%o is no handle", (text) => {
  expect(() => parseHandle(text)).toThrow(expect.objectContaining({ code: "invalid-handle" }));
});

test("names at the limits of the grammar are allowed", () => {
  for (const name of [
    "0/_",
    "a/b/c/d/e/f/g/h/i",
    `a/${"b".repeat(94)}`,
    `${"p".repeat(64)}/x`,
    "a/3/x",
    "a/B-1.x_",
  ])
    expect(moduleNameFault(name)).toBeUndefined();
});

test("no reserved word is a publisher or a segment, in any case, and the lists fit the grammar's case", () => {
  for (const word of RESERVED_PUBLISHERS) expect(publisherFault(word)).toBeTypeOf("string");
  for (const word of RESERVED_SEGMENTS) {
    expect(word).toBe(word.toLowerCase());
    expect(moduleNameFault(`a/${word.toUpperCase()}`)).toContain("reserved");
    expect(moduleNameFault(`a/b/${word}/c`)).toContain("reserved");
  }
});

test("aliases may not be words that mean something already", () => {
  expect(["stable", "_x", "v1.0-rc", "Beta", "a".repeat(128)].filter(isAlias)).toHaveLength(5);
  const refused = [
    "",
    "latest",
    "main",
    "HEAD",
    "1",
    "-x",
    "a/b",
    "a b",
    "f".repeat(40),
    "a".repeat(129),
    "x\n",
  ];
  expect(refused.filter(isAlias)).toEqual([]);
});

test("{version} in a path is a number, latest, an alias or a digest", () => {
  expect(parseReference("12")).toEqual({ kind: "version", version: 12 });
  expect(parseReference("latest")).toEqual({ kind: "latest" });
  expect(parseReference("stable")).toEqual({ kind: "alias", alias: "stable" });
  expect(parseReference(SHA)).toEqual({ kind: "digest", digest: SHA });
  for (const text of ["0", "01", "1e3", "sha256%3Aabc", "", "main"])
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: "version-not-found" }));
});

test("a module has a name for Hugging Face's clients, for OCI's, and a publisher", () => {
  const module = parseModuleName("modulehub/ImageNet/Lite0");
  expect(hfName(module)).toBe("modulehub/ImageNet.Lite0");
  expect(ociName(module)).toBe("modulehub/imagenet/lite0");
  expect(publisherOf(module)).toBe("modulehub");
});

const letters = (alphabet: string, minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet), minLength, maxLength });
const moduleName = fc
  .tuple(letters("abc019-", 1, 12), fc.array(letters("aZ_09.-", 1, 10), { minLength: 1, maxLength: 8 }))
  .map(([publisher, segments]) => [publisher, ...segments].join("/"))
  .filter((name) => moduleNameFault(name) === undefined);
const reference = fc.oneof(
  fc.constant(""),
  fc.integer({ min: 1, max: 999_999_999 }).map((version) => `/${version}`),
  letters("abXY_.-09", 1, 20)
    .filter(isAlias)
    .map((alias) => `@${alias}`),
  letters("0123456789abcdef", 64, 64).map((hex) => `@sha256:${hex}`),
);

test("a handle that is read and written again is the same, also from its URL", () => {
  fc.assert(
    fc.property(moduleName, reference, (name, suffix) => {
      const handle = parseHandle(name + suffix);
      expect(handle.module).toBe(name);
      expect(formatHandle(handle)).toBe(name + suffix);
      expect(parseHandle(`https://hub.example/${name}${suffix}`)).toEqual(handle);
    }),
  );
});

test("any text is a handle or an invalid-handle", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }),
      fc.constantFrom("", "https://h/", "http://h/a/b"),
      (tail, head) => {
        const text = head + tail;

        try {
          formatHandle(parseHandle(text));
        } catch (error) {
          expect(error).toBeInstanceOf(ProblemError);
          expect(error).toHaveProperty("code", "invalid-handle");
        }
      },
    ),
  );
});
