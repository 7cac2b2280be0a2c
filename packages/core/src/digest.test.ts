import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { canonicalJson, digestOfHex, isDigest, versionContent } from "./digest.ts";
import type { Manifest } from "./manifest.ts";

test("JSON is written as in the example of RFC 8785, section 3.2.2 and 3.2.3", () => {
  const input = JSON.parse(
    '{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],' +
      '"string": "\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/", "literals": [null, true, false]}',
  );
  expect(canonicalJson(input)).toBe(
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
      '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

test("keys are sorted by UTF-16 units, as in the example of RFC 8785, section 3.2.3", () => {
  const input = {
    "\u20ac": "Euro Sign",
    "\r": "Carriage Return",
    "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One",
    "\ud83d\ude00": "Emoji: Grinning Face",
    "\u0080": "Control",
    "\u00f6": "Latin Small Letter O With Diaeresis",
  };
  expect(canonicalJson(input).match(/:"[^"]*"/g)).toEqual([
    ':"Carriage Return"',
    ':"One"',
    ':"Control"',
    ':"Latin Small Letter O With Diaeresis"',
    ':"Euro Sign"',
    ':"Emoji: Grinning Face"',
    ':"Hebrew Letter Dalet With Dagesh"',
  ]);
});

test.each([[Number.NaN], [Number.POSITIVE_INFINITY], ["\ud800"], [undefined]])(
  "what has no canonical form (%o) is refused",
  (value) => {
    expect(() => canonicalJson(value)).toThrow();
  },
);

const digest = (letter: string) => digestOfHex(letter.repeat(64));

const MANIFEST: Manifest = {
  schemaVersion: 1,
  task: "image-classification",
  signatures: {
    default: {
      inputs: { x: { dtype: "float32", shape: [] } },
      outputs: { y: { dtype: "float32", shape: [] } },
    },
  },
  examples: [{ signature: "default", inputs: { x: { file: "images/cat.jpg" } } }],
};

// The text is written by hand; its hash by Python's hashlib. By UTF-8 bytes ～ (U+FF5E) stands before 😀, by
// UTF-16 units, JavaScript's own order, after it.
const WRITTEN = `[{"digest":"sha256:${"c".repeat(64)}","path":"Z.txt","size":1},{"digest":"sha256:${"a".repeat(64)}","path":"model.onnx","size":3},{"digest":"sha256:${"b".repeat(64)}","path":"module.json","size":2},{"digest":"sha256:${"d".repeat(64)}","path":"～.txt","size":9007199254740991},{"digest":"sha256:${"e".repeat(64)}","path":"😀.txt","size":0}]`;

test("a version's content lists its files by the UTF-8 bytes of their paths, without documentation", () => {
  const files = [
    { path: "😀.txt", size: 0, digest: digest("e") },
    { path: "～.txt", size: Number.MAX_SAFE_INTEGER, digest: digest("d") },
    { path: "README.md", size: 7, digest: digest("f") },
    { path: "module.json", size: 2, digest: digest("b") },
    { path: "images/logo.png", size: 7, digest: digest("f") },
    { path: "model.onnx", size: 3, digest: digest("a") },
    { path: "LICENSE", size: 7, digest: digest("f") },
    { path: "Z.txt", size: 1, digest: digest("c"), role: "asset" },
  ];
  const content = versionContent(files, MANIFEST);
  expect(content).toBe(WRITTEN);
  expect(createHash("sha256").update(content).digest("hex")).toBe(
    "1a98841365627d64c1020db35bfa3131e73f64702d764fa940521ccb7d355e15",
  );
  expect(versionContent(files.toReversed(), MANIFEST)).toBe(content);
});

test("a picture that an example uses counts as content", () => {
  const files = [{ path: "images/cat.jpg", size: 3, digest: digest("a") }];
  expect(versionContent(files, MANIFEST)).toContain("images/cat.jpg");
  expect(versionContent(files, { ...MANIFEST, examples: [] })).toBe("[]");
});

test("a digest is sha256: and 64 lower-case hex digits, and nothing else", () => {
  expect(isDigest(`sha256:${"0a".repeat(32)}`)).toBe(true);
  for (const text of [
    "",
    "sha256:",
    `sha256:${"0A".repeat(32)}`,
    `sha256:${"0a".repeat(32)}\n`,
    "0a".repeat(32),
  ])
    expect(isDigest(text)).toBe(false);
  expect(() => digestOfHex("abc")).toThrow(TypeError);
});
