import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canonicalJson, type Dtype } from "@modulehub/core";
import { makeMessage, modelBytes, type NodeProto, tensorValue } from "@modulehub/onnx";
import { expect, test } from "vitest";
import { collectModule } from "../publish/collect-module.ts";
import { memoryFile, type SourceFile } from "../publish/source-file.ts";
import { deriveModule } from "./derive-module.ts";

type Value = [name: string, dtype: Dtype, shape: (number | string | null)[] | null];

/** A graph that is nothing but its inputs and outputs: deriving reads no more of it. */
function graph(inputs: Value[], outputs: Value[], node: NodeProto[] = []): Uint8Array {
  return modelBytes(
    makeMessage("ModelProto", {
      irVersion: 10n,
      opsetImport: [makeMessage("OperatorSetIdProto", { domain: "", version: 21n })],
      graph: makeMessage("GraphProto", {
        name: "g",
        node,
        input: inputs.map((value) => tensorValue(...value)),
        output: outputs.map((value) => tensorValue(...value)),
      }),
    }),
  );
}

const json = (path: string, value: unknown): SourceFile =>
  memoryFile(path, new TextEncoder().encode(JSON.stringify(value)));

const tokens: Value[] = [
  ["input_ids", "int64", ["batch_size", "sequence_length"]],
  ["attention_mask", "int64", ["batch_size", "sequence_length"]],
];

const hidden: Value[] = [["last_hidden_state", "float32", ["batch_size", "sequence_length", 384]]];

test("a Sentence Transformers folder becomes the steps that its model card does by hand", async () => {
  const { manifest } = await deriveModule([
    json("config.json", { architectures: ["BertModel"], hidden_size: 384, max_position_embeddings: 512 }),
    json("tokenizer.json", {}),
    json("sentence_bert_config.json", { max_seq_length: 256, do_lower_case: false }),
    json("modules.json", [
      { idx: 0, name: "0", path: "", type: "sentence_transformers.models.Transformer" },
      { idx: 1, name: "1", path: "1_Pooling", type: "sentence_transformers.models.Pooling" },
      { idx: 2, name: "2", path: "2_Normalize", type: "sentence_transformers.models.Normalize" },
    ]),
    json("1_Pooling/config.json", { pooling_mode_mean_tokens: true, pooling_mode_cls_token: false }),
    memoryFile("onnx/model.onnx", graph(tokens, hidden)),
  ]);
  // By hand from the model card of sentence-transformers/all-MiniLM-L6-v2: mean over the mask, then L2.
  expect(manifest.task).toBe("text-embedding");
  expect(manifest.signatures).toEqual({
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
  });
  expect(manifest.examples?.[0]?.inputs.text).toContain("cat is on the mat");
});

test("a pooling that no step can do is refused, not replaced by another", async () => {
  const files = [
    json("config.json", { hidden_size: 384 }),
    json("tokenizer.json", {}),
    json("1_Pooling/config.json", { pooling_mode_lasttoken: true }),
    memoryFile("model.onnx", graph(tokens, hidden)),
  ];
  await expect(deriveModule(files)).rejects.toMatchObject({
    code: "asset-invalid",
    message: expect.stringContaining("pooling_mode_lasttoken"),
  });
});

test("a text classifier gets its labels as a file, in the order of the scores", async () => {
  const { manifest, added } = await deriveModule([
    json("config.json", {
      architectures: ["DistilBertForSequenceClassification"],
      id2label: { 1: "POSITIVE", 0: "NEGATIVE" },
      max_position_embeddings: 512,
    }),
    json("tokenizer.json", {}),
    memoryFile("onnx/model.onnx", graph(tokens, [["logits", "float32", ["batch_size", 2]]])),
  ]);
  expect(manifest.task).toBe("text-classification");
  expect(
    added.map(({ path, content }) => [path, "bytes" in content && Buffer.from(content.bytes).toString()]),
  ).toEqual([["labels.txt", "NEGATIVE\nPOSITIVE\n"]]);
  expect(manifest.signatures.default?.steps?.slice(-2)).toEqual([
    { softmax: { from: "logits", as: "scores" } },
    { labels: { from: "scores", labels: "labels.txt", as: "classes" } },
  ]);
});

test("an image classifier's preprocessing follows preprocessor_config.json", async () => {
  const { manifest } = await deriveModule([
    json("config.json", {
      architectures: ["MobileNetV2ForImageClassification"],
      id2label: { 0: "cat", 1: "dog" },
    }),
    // google/mobilenet_v2_1.0_224 on huggingface.co.
    json("preprocessor_config.json", {
      crop_size: { height: 224, width: 224 },
      do_center_crop: true,
      do_normalize: true,
      do_rescale: true,
      do_resize: true,
      image_mean: [0.5, 0.5, 0.5],
      image_processor_type: "MobileNetV2ImageProcessor",
      image_std: [0.5, 0.5, 0.5],
      resample: 2,
      rescale_factor: 0.00392156862745098,
      size: { shortest_edge: 256 },
    }),
    memoryFile(
      "model.onnx",
      graph([["pixel_values", "float32", ["batch", 3, 224, 224]]], [["logits", "float32", ["batch", 2]]]),
    ),
  ]);
  expect(manifest.signatures.default?.steps?.[0]).toEqual({
    image: {
      from: "image",
      resize: { shorter: 256 },
      crop: { width: 224, height: 224 },
      interpolation: "bilinear",
      scale: 0.00392156862745098,
      mean: [0.5, 0.5, 0.5],
      deviation: [0.5, 0.5, 0.5],
      layout: "NCHW",
      as: "pixels",
    },
  });
});

test("sizes that a bare graph leaves open get names, and formulas equal names where they are equal", async () => {
  const { manifest, notes } = await deriveModule([
    memoryFile(
      "model.onnx",
      graph(
        [["x", "float32", [null, null, "2*n", 3]]],
        [
          ["y", "float32", ["2*n", null]],
          ["open", "float32", null],
          ["four", "int4", [1]],
        ],
      ),
    ),
  ]);
  expect(manifest.signatures.default).toEqual({
    inputs: { x: { dtype: "float32", shape: ["batch", "dim1", "dim2", 3] } },
    outputs: { y: { dtype: "float32", shape: ["dim2", "dim3"] } },
  });
  expect(notes).toEqual([
    'Output "open" has no declared number of dimensions and was left out.',
    'Output "four" has dtype int4 and was left out.',
  ]);
});

test("sizes that a bare graph leaves open are not taken for equal", async () => {
  // Equal names must be fed equal sizes, so a name that is made up must be no other's: neither of a second input,
  // which may have another number of rows, nor one that the graph itself gives.
  const bytes = graph(
    [
      ["x", "float32", [null, "dim1"]],
      ["table", "float32", [null, null]],
      ["y", "float32", ["rows", "batch"]],
    ],
    [["z", "float32", [null, "rows"]]],
  );
  const { manifest } = await deriveModule([memoryFile("model.onnx", bytes)]);
  const { inputs, outputs } = manifest.signatures.default!;
  const names = Object.values({ ...inputs, ...outputs }).flatMap(({ shape }) => shape);
  expect(names).toEqual(["dim2", "dim1", "dim3", "dim4", "rows", "batch", "dim5", "rows"]);

  const two = graph(
    [
      ["x", "float32", [null, 2]],
      ["table", "float32", [null, 2]],
    ],
    [["z", "float32", [null, 2]]],
  );
  const { signatures } = (await deriveModule([memoryFile("model.onnx", two)])).manifest;
  expect(signatures.default!.inputs).toMatchObject({
    x: { shape: ["batch", 2] },
    table: { shape: ["dim1", 2] },
  });
  expect(signatures.default!.outputs).toMatchObject({ z: { shape: ["batch", 2] } });
});

test("a bare file is taken along with its external data, and module.json is in RFC 8785 form", async () => {
  const folder = await mkdtemp(join(tmpdir(), "modulehub-derive-"));
  const external = (key: string, value: string) => makeMessage("StringStringEntryProto", { key, value });
  const weight = makeMessage("TensorProto", {
    name: "w",
    dims: [2n],
    dataType: 1,
    dataLocation: 1,
    externalData: [external("location", "weights.bin"), external("offset", "0"), external("length", "8")],
  });
  const model = makeMessage("ModelProto", {
    irVersion: 10n,
    opsetImport: [makeMessage("OperatorSetIdProto", { domain: "", version: 21n })],
    graph: makeMessage("GraphProto", {
      name: "g",
      initializer: [weight],
      input: [tensorValue("x", "float32", [2])],
      output: [tensorValue("y", "float32", [2])],
    }),
  });
  await writeFile(join(folder, "sum.onnx"), modelBytes(model));
  await expect(collectModule(join(folder, "sum.onnx"))).rejects.toMatchObject({
    code: "external-data-missing",
  });
  await writeFile(join(folder, "weights.bin"), new Uint8Array(8));
  await writeFile(join(folder, "unrelated.txt"), "stays at home");
  const { files, manifest } = await collectModule(join(folder, "sum.onnx"));
  expect(files.map(({ path }) => path)).toEqual(["model.onnx", "weights.bin", "module.json"]);
  const bytes = files.at(-1)?.content;
  expect(bytes && "bytes" in bytes && Buffer.from(bytes.bytes).toString()).toBe(canonicalJson(manifest));
  await rm(folder, { recursive: true });
});

test("a folder in which nothing is recognised is told what it lacks", async () => {
  await expect(deriveModule([json("data.json", {})])).rejects.toMatchObject({ code: "manifest-missing" });
});

test("a text that was saved as a graph is refused by the reader's code", async () => {
  const html = new TextEncoder().encode("<!DOCTYPE html><html><body>Not found</body></html>");
  await expect(deriveModule([memoryFile("model.onnx", html)])).rejects.toMatchObject({
    code: "html-instead-of-model",
  });
});
