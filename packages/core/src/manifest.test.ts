import fc from "fast-check";
import { expect, test } from "vitest";
import { MAX_MANIFEST_BYTES, type Manifest, manifestPaths, parseManifest } from "./manifest.ts";
import { ProblemError } from "./problem.ts";

const parse = (text: string): Manifest => parseManifest(new TextEncoder().encode(text));
const invalid = (text: string): ProblemError => {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof ProblemError && error.code === "manifest-invalid") return error;
    throw error;
  }
  throw new Error("was accepted");
};

// The example of the design: a sentence transformer with its tokenizer.
const TRANSFORMER = {
  schemaVersion: 1,
  task: "text-embedding",
  signatures: {
    default: {
      inputs: { text: { dtype: "string", shape: ["batch"] } },
      outputs: { default: { dtype: "float32", shape: ["batch", 384] } },
      steps: [
        { tokenize: { from: "text", tokenizer: "tokenizer.json", maxLength: 256, as: "tokens" } },
        {
          run: {
            graph: "onnx/model.onnx",
            inputs: { input_ids: "tokens.ids", attention_mask: "tokens.mask" },
            outputs: { last_hidden_state: "hidden" },
          },
        },
        { pool: { from: "hidden", mask: "tokens.mask", mode: "mean", as: "pooled" } },
        { normalize: { from: "pooled", as: "default" } },
      ],
    },
  },
  examples: [{ signature: "default", inputs: { text: ["cat is on the mat"] } }],
};

const CLASSIFIER = {
  schemaVersion: 1,
  task: "image-classification",
  signatures: {
    default: {
      inputs: { images: { dtype: "image", shape: ["batch"] } },
      outputs: { "top.labels": { dtype: "string", shape: ["batch", "k"] } },
      steps: [
        {
          image: {
            from: "images",
            resize: { shorter: 256 },
            crop: { width: 224, height: 224 },
            mean: [0.485, 0.456, 0.406],
            deviation: [0.229, 0.224, 0.225],
            layout: "NCHW",
            as: "pixels",
          },
        },
        { run: { graph: "model.onnx", inputs: { "input:0": "pixels" }, outputs: { logits: "logits" } } },
        { softmax: { from: "logits", as: "scores" } },
        { labels: { from: "scores", labels: "labels.txt", topK: 5, as: "top" } },
      ],
    },
    plain: {
      inputs: { x: { dtype: "float32", shape: [] } },
      outputs: { y: { dtype: "float32", shape: [] } },
    },
  },
  examples: [{ inputs: { images: [{ file: "images/cat.jpg" }] } }],
};

test("a manifest with every kind of step is read as it was written", () => {
  expect(parse(JSON.stringify(TRANSFORMER))).toEqual(TRANSFORMER);
  expect(parse(JSON.stringify(CLASSIFIER)).signatures).toEqual(CLASSIFIER.signatures);
});

test("an example without a signature is one of the default signature", () => {
  expect(parse(JSON.stringify(CLASSIFIER)).examples?.[0]?.signature).toBe("default");
});

test("a manifest names the files it uses: graphs, assets of steps, pictures of examples, itself", () => {
  expect(manifestPaths(parse(JSON.stringify(TRANSFORMER)))).toEqual(
    new Set(["module.json", "onnx/model.onnx", "tokenizer.json"]),
  );
  expect(manifestPaths(parse(JSON.stringify(CLASSIFIER)))).toEqual(
    new Set(["module.json", "model.onnx", "labels.txt", "images/cat.jpg"]),
  );
});

test("names that objects have already are names like any other", () => {
  const names = ["constructor", "toString", "hasOwnProperty", "valueOf"];
  const specs = Object.fromEntries(names.map((name) => [name, { dtype: "float32", shape: [] }]));
  const manifest = {
    schemaVersion: 1,
    task: "test",
    signatures: { constructor: { inputs: specs, outputs: specs } },
    examples: [{ signature: "constructor", inputs: Object.fromEntries(names.map((name) => [name, 1])) }],
  };
  expect(parse(JSON.stringify(manifest))).toEqual(manifest);
  const missing = { ...manifest, examples: [{ signature: "toString", inputs: {} }] };
  expect(invalid(JSON.stringify(missing)).errors).toEqual([
    { path: "examples[0].signature", message: "The manifest has no signature of this name." },
  ]);
});

test.each([
  ['{"schemaVersion":1,"task":"x","signatures":{"__proto__":{}}}', "__proto__"],
  ['{"__proto__":{"schemaVersion":1}}', "__proto__"],
  [JSON.stringify(TRANSFORMER).replace("cat is", "cat\\u0000is"), "NUL"],
  [JSON.stringify(TRANSFORMER).replace("cat is", "cat\\ud83d"), "surrogate"],
  [`{"a":${"[".repeat(65)}${"]".repeat(65)}}`, "deep"],
  [`{"a":${"[".repeat(400_000)}${"]".repeat(400_000)}}`, "deep"],
  [
    JSON.stringify(Object.fromEntries(Array.from({ length: 4097 }, (_, index) => [`s${index}`, {}]))),
    "4096 names",
  ],
  ["[".repeat(400_000), "not JSON"],
  ['{"a":'.repeat(100_000), "not JSON"],
  ["", "not JSON"],
  ["version https://git-lfs.github.com/spec/v1", "not JSON"],
  [`"${" ".repeat(MAX_MANIFEST_BYTES)}"`, "bytes"],
])("%.60s… is refused with its reason", (text, words) => {
  expect(invalid(text).message).toContain(words);
});

test("bytes that are not UTF-8 are refused", () => {
  expect(() => parseManifest(new Uint8Array([0x22, 0xff, 0x22]))).toThrow("UTF-8");
});

test.each([
  ["a name of 64 kB", { inputs: { ["n".repeat(65536)]: { dtype: "float32", shape: [] } } }],
  ["a name with a line break", { inputs: { "a\nb": { dtype: "float32", shape: [] } } }],
  ["an empty name", { inputs: { "": { dtype: "float32", shape: [] } } }],
  ["an unknown dtype", { inputs: { x: { dtype: "float33", shape: [] } } }],
  ["a negative dimension", { inputs: { x: { dtype: "float32", shape: [-1] } } }],
  ["33 dimensions", { inputs: { x: { dtype: "float32", shape: Array(33).fill(1) } } }],
  ["an unknown field", { input: {} }],
  ["an unknown step", { steps: [{ constructor: {} }] }],
  ["a graph outside the module", { graph: "../model.onnx" }],
  ["a graph at an absolute path", { graph: "/model.onnx" }],
  ["no inputs", { inputs: {} }],
  ["no outputs", { outputs: {} }],
])("%s is refused with its place and a short message", (_what, change) => {
  const plain = CLASSIFIER.signatures.plain;
  const text = JSON.stringify({ schemaVersion: 1, task: "x", signatures: { s: { ...plain, ...change } } });
  const { errors } = invalid(text);
  expect(errors?.[0]?.path).toMatch(/^signatures\.s/);
  expect(JSON.stringify(errors).length).toBeLessThan(2000);
});

test.each([
  ["an input that the signature lacks", { inputs: { images: [], other: 1 } }, "examples[0].inputs.other"],
  ["an input missing", { inputs: {} }, "examples[0].inputs.images"],
  ["a file outside", { inputs: { images: [{ file: "../../etc/passwd" }] } }, "examples[0].inputs.images"],
  ["a file outside in data", { inputs: { images: { data: [{ file: "/x" }] } } }, "examples[0].inputs.images"],
])("an example with %s is refused", (_what, example, path) => {
  const text = JSON.stringify({ ...CLASSIFIER, examples: [example] });
  expect(invalid(text).errors).toEqual([{ path, message: expect.any(String) }]);
});

test("the faults of a manifest are at most 20, however many it has", () => {
  const signatures = Object.fromEntries(Array.from({ length: 4000 }, (_, index) => [`s${index}`, { a: 1 }]));
  expect(invalid(JSON.stringify({ schemaVersion: 1, task: "x", signatures })).errors).toHaveLength(20);
});

test("any bytes, and any part of a manifest replaced by any JSON, are read or are manifest-invalid", () => {
  const attempt = (bytes: Uint8Array) => {
    try {
      manifestPaths(parseManifest(bytes));
    } catch (error) {
      expect(error).toBeInstanceOf(ProblemError);
      expect(error).toHaveProperty("code", "manifest-invalid");
    }
  };
  fc.assert(fc.property(fc.uint8Array(), attempt));
  const text = JSON.stringify(CLASSIFIER);
  const places = [...text.matchAll(/"[^"]*"|\d+(\.\d+)?|\[[^[\]]*\]|\{[^{}]*\}/g)];
  fc.assert(
    fc.property(fc.constantFrom(...places), fc.jsonValue(), (place, value) => {
      const end = place.index + place[0].length;
      attempt(new TextEncoder().encode(text.slice(0, place.index) + JSON.stringify(value) + text.slice(end)));
    }),
    { numRuns: 300 },
  );
});
