import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { InputTensor, Step, Tensor } from "@modulehub/core";
import { buildTransformer, GraphBuilder, modelBytes } from "@modulehub/onnx";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkModule } from "./check-module.ts";
import { COMPILED_PREFIX } from "./compile-task.ts";
import { openLocalModule, runModule } from "./local.ts";
import { openModule } from "./open-module.ts";
import { openSession } from "./session.ts";

const HIDDEN = 8;
const FIXTURES = join(import.meta.dirname, "steps", "fixtures");
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "modulehub-local-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const text = (...data: string[]) =>
  new Map<string, InputTensor>([["text", { dtype: "string", shape: [data.length], data }]]);
const floats = (tensor: Tensor | undefined): number[] => {
  if (tensor?.dtype !== "float32") throw new Error(`Expected float32, got ${tensor?.dtype}.`);
  return Array.from(tensor.data);
};

const tokenized: Step[] = [
  { tokenize: { from: "text", tokenizer: "tokenizer.json", as: "tokens" } },
  {
    run: {
      graph: "onnx/model.onnx",
      inputs: { input_ids: "tokens.ids", attention_mask: "tokens.mask", token_type_ids: "tokens.types" },
      outputs: { last_hidden_state: "hidden" },
    },
  },
];

interface Output {
  dtype: string;
  shape: (string | number)[];
}

const vector: Output = { dtype: "float32", shape: ["batch", HIDDEN] };

/** A module whose encoder is a BERT with random weights, and the steps after its run. */
async function encoder(name: string, after: Step[], outputs: Record<string, Output>): Promise<string> {
  const module = join(folder, name);
  await mkdir(join(module, "onnx"), { recursive: true });
  const sizes = { vocabulary: 300, hidden: HIDDEN, layers: 1, heads: 2, intermediate: 16, positions: 40 };
  await writeFile(join(module, "onnx", "model.onnx"), modelBytes(buildTransformer({ ...sizes, seed: 7 })));
  await cp(join(FIXTURES, "wordpiece.tokenizer.json"), join(module, "tokenizer.json"));
  const inputs = { text: { dtype: "string", shape: ["batch"] } };
  const signatures = { default: { inputs, outputs, steps: [...tokenized, ...after] } };
  await writeManifest(module, { task: "text-embedding", signatures });
  return module;
}

const writeManifest = (module: string, manifest: object) =>
  writeFile(join(module, "module.json"), JSON.stringify({ schemaVersion: 1, ...manifest }));

const hiddenOutput = { hidden: { dtype: "float32", shape: ["batch", "sequence", HIDDEN] } };

/** Rows of the encoder's last layer, text by text: what pooling takes. */
async function hiddenRows(texts: string[]): Promise<number[][][]> {
  const module = await encoder("hidden", [], hiddenOutput);
  const rows: number[][][] = [];
  for (const one of texts) {
    const flat = floats((await runModule(module, "default", text(one), openSession)).get("hidden"));
    rows.push(
      Array.from({ length: flat.length / HIDDEN }, (_, i) => flat.slice(i * HIDDEN, (i + 1) * HIDDEN)),
    );
  }
  return rows;
}

const TEXTS = ["the harbour wakes", "", "mackerel, herring and crabs in baskets"];
const columns = (rows: number[][], reduce: (column: number[]) => number) =>
  Array.from({ length: HIDDEN }, (_, i) => reduce(rows.map((row) => row[i]!)));
const unit = (row: number[]) => {
  const length = Math.hypot(...row);
  return row.map((value) => value / length);
};

const POOLS = {
  mean: (rows: number[][]) => columns(rows, (column) => column.reduce((a, b) => a + b, 0) / column.length),
  max: (rows: number[][]) => columns(rows, (column) => Math.max(...column)),
  cls: (rows: number[][]) => rows[0]!,
};

test.each(["mean", "max", "cls"] as const)(
  "%s pooling in the graph equals pooling each text alone by arithmetic",
  async (mode) => {
    const after: Step[] = [
      { pool: { from: "hidden", mask: "tokens.mask", mode, as: "pooled" } },
      { normalize: { from: "pooled", as: "default" } },
    ];
    const module = await encoder(mode, after, { default: vector, pooled: vector });
    const outputs = await runModule(module, "default", text(...TEXTS), openSession);
    const expected = (await hiddenRows(TEXTS)).map(POOLS[mode]);
    for (const [name, rows] of [
      ["pooled", expected],
      ["default", expected.map(unit)],
    ] as const) {
      const got = floats(outputs.get(name));
      expect(got.length).toBe(TEXTS.length * HIDDEN);
      for (const [i, value] of rows.flat().entries()) expect(Math.abs(got[i]! - value)).toBeLessThan(1e-6);
    }
  },
);

const meanNormalized: Step[] = [
  { pool: { from: "hidden", mask: "tokens.mask", mode: "mean", as: "pooled" } },
  { normalize: { from: "pooled", as: "default" } },
];

test("a long text is cut at the tokenizer's limit and the answer says so", async () => {
  const local = await openLocalModule(await encoder("cut", meanNormalized, { default: vector }), openSession);
  const { truncated } = await local.run("default", text("short", "fish ".repeat(30)));
  expect(truncated).toEqual([{ input: "text", item: 1, kept: 10, of: expect.any(Number) }]);
  await local.close();
});

test("the limit of sentence_bert_config.json goes before the tokenizer's, the manifest's before both", async () => {
  const module = await encoder("limits", meanNormalized, { default: vector });
  await writeFile(join(module, "sentence_bert_config.json"), '{"max_seq_length": 20}');
  const prepare = async () => {
    const prepared = await (await openModule(module)).prepare("default", text("a ".repeat(50)));
    return prepared.feeds.get("input_ids")?.shape;
  };
  expect(await prepare()).toEqual([1, 20]);
  const inputs = { text: { dtype: "string", shape: ["batch"] } };
  const [, run] = tokenized;
  const tokenize = { from: "text", tokenizer: "tokenizer.json", as: "tokens", maxLength: 30 };
  const steps = [{ tokenize }, run, ...meanNormalized];
  const signatures = { default: { inputs, outputs: { default: vector }, steps } };
  await writeManifest(module, { task: "text-embedding", signatures });
  expect(await prepare()).toEqual([1, 30]);
});

test("compiling twice gives the same file, whole, beside the graph", async () => {
  const path = await encoder("compile", meanNormalized, { default: vector });
  const [first, second] = await Promise.all(
    [openModule(path), openModule(path)].map(async (module) => (await module).compile("default")),
  );
  expect(first).toEqual(second);
  expect(first?.fetches).toEqual(["modulehub:default"]);
  const files = await readdir(join(path, "onnx"));
  expect(files.length).toBe(2);
  expect(files).toContain("model.onnx");
});

test("a file of the module's under a compiled graph's name is never loaded in its stead", async () => {
  const path = await encoder("planted", meanNormalized, { default: vector });
  const expected = await runModule(path, "default", text(...TEXTS), openSession);
  const compiled = (await readdir(join(path, "onnx"))).find((name) => name.startsWith(COMPILED_PREFIX));
  const planted = new GraphBuilder();
  planted.output(
    "modulehub:default",
    planted.constant({ dtype: "float32", shape: [1], data: new Float32Array(1) }),
  );
  await writeFile(join(path, "onnx", compiled!), planted.toBytes());
  expect(await runModule(path, "default", text(...TEXTS), openSession)).toEqual(expected);
});

test("a mask that the graph doesn't take becomes an input of the compiled graph", async () => {
  const module = join(folder, "added-mask");
  await mkdir(module, { recursive: true });
  const g = new GraphBuilder();
  const ids = g.input("ids", "int64", ["batch", "sequence"]);
  const table = {
    dtype: "float32",
    shape: [300, 2],
    data: Float32Array.from({ length: 600 }, (_, i) => i),
  } as const;
  g.output("vectors", g.gather(g.constant({ ...table, shape: [300, 2] }), ids));
  await writeFile(join(module, "model.onnx"), g.toBytes());
  await cp(join(FIXTURES, "wordpiece.tokenizer.json"), join(module, "tokenizer.json"));
  const steps = [
    { tokenize: { from: "text", tokenizer: "tokenizer.json", as: "tokens", addSpecialTokens: false } },
    { run: { graph: "model.onnx", inputs: { ids: "tokens.ids" }, outputs: { vectors: "vectors" } } },
    { pool: { from: "vectors", mask: "tokens.mask", mode: "mean", as: "default" } },
  ];
  const inputs = { text: { dtype: "string", shape: ["batch"] } };
  const outputs = { default: { dtype: "float32", shape: ["batch", 2] } };
  await writeManifest(module, {
    task: "text-embedding",
    signatures: { default: { inputs, outputs, steps } },
  });
  const opened = await openModule(module);
  expect((await opened.compile("default")).feeds).toEqual(["ids", "modulehub:tokens.mask"]);
  expect(await checkModule(module, opened.manifest)).toEqual([]);
  const result = await runModule(module, "default", text("fish", "the fish the fish"), openSession);
  const prepared = await opened.prepare("default", text("fish", "the fish the fish"));
  const rows = prepared.feeds.get("ids");
  if (rows?.dtype !== "int64") throw new Error("ids are int64");
  // Row i of the table is [2i, 2i + 1]: the mean is twice the mean id.
  const [, length] = rows.shape as [number, number];
  const mean = (ids: number[]) => ids.reduce((a, b) => a + b, 0) / ids.length;
  const masks = prepared.feeds.get("modulehub:tokens.mask");
  const expected = [0, 1].flatMap((row) => {
    const at = Array.from({ length }, (_, i) => row * length + i);
    const real = at.filter((i) => Number(masks?.data[i]) === 1).map((i) => Number(rows.data[i]));
    return [2 * mean(real), 2 * mean(real) + 1];
  });
  floats(result.get("default")).forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 4);
  });
});

test("an image classifier's softmax runs in its graph and its labels after it", async () => {
  const module = join(folder, "classifier");
  await mkdir(module, { recursive: true });
  const g = new GraphBuilder();
  const x = g.input("x", "float32", ["batch", 3, 1, 1]);
  g.output("logits", g.reshape(x, g.ints([0, 3])));
  await writeFile(join(module, "model.onnx"), g.toBytes());
  await writeFile(join(module, "labels.txt"), "red\ngreen\nblue\n");
  const scored = { dtype: "float32", shape: ["batch", "k"] };
  const outputs = { "top.labels": { dtype: "string", shape: ["batch", "k"] }, "top.scores": scored };
  const steps = [
    { image: { from: "image", resize: { width: 1, height: 1 }, as: "pixels" } },
    { run: { graph: "model.onnx", inputs: { x: "pixels" }, outputs: { logits: "logits" } } },
    { softmax: { from: "logits", as: "scores" } },
    { labels: { from: "scores", labels: "labels.txt", topK: 2, as: "top" } },
  ];
  const inputs = { image: { dtype: "image", shape: ["batch"] } };
  const signatures = { default: { inputs, outputs, steps } };
  await writeManifest(module, { task: "image-classification", signatures });
  const sharp = (await import("sharp")).default;
  const photo = await sharp(Uint8Array.of(0, 255, 51), { raw: { width: 1, height: 1, channels: 3 } })
    .png()
    .toBuffer();
  const image: InputTensor = { dtype: "image", shape: [1], data: [photo] };
  const result = await runModule(module, "default", new Map([["image", image]]), openSession);
  expect(result.get("top.labels")).toEqual({ dtype: "string", shape: [1, 2], data: ["green", "blue"] });
  const total = Math.exp(0) + Math.exp(1) + Math.exp(0.2);
  const [green, blue] = floats(result.get("top.scores"));
  expect(green).toBeCloseTo(Math.exp(1) / total, 6);
  expect(blue).toBeCloseTo(Math.exp(0.2) / total, 6);
  expect(await checkModule(module, (await openModule(module)).manifest)).toEqual([]);
  await writeFile(join(module, "labels.txt"), "red\ngreen\n");
  expect(await checkModule(module, (await openModule(module)).manifest)).toMatchObject([
    { code: "manifest-mismatch", detail: expect.stringContaining("2 lines") },
  ]);
  await expect(runModule(module, "default", new Map([["image", image]]), openSession)).rejects.toMatchObject({
    code: "manifest-mismatch",
  });
});

test("names that the module doesn't have are told from each other", async () => {
  const module = await openModule(await encoder("names", meanNormalized, { default: vector }));
  await expect(module.prepare("other", text("a"))).rejects.toMatchObject({ code: "signature-unknown" });
  await expect(module.prepare("__proto__", text("a"))).rejects.toMatchObject({ code: "signature-unknown" });
  const prepared = await module.prepare("default", text("a"));
  expect(() => module.finish("default", prepared, new Map(), ["nothing"])).toThrow(
    expect.objectContaining({ code: "output-unknown" }),
  );
});

test("a folder without module.json is no module", async () => {
  await expect(openModule(folder)).rejects.toMatchObject({ code: "manifest-missing" });
});

test("a manifest that doesn't fit its graph is told what doesn't", async () => {
  const path = await encoder("mismatch", meanNormalized, { default: vector });
  const { manifest } = await openModule(path);
  expect(await checkModule(path, manifest)).toEqual([]);
  const inputs = { text: { dtype: "string", shape: ["batch"] } };
  const wrong = {
    run: {
      graph: "onnx/model.onnx",
      inputs: { input_ids: "tokens.ids", mask: "tokens.mask" },
      outputs: { x: "hidden" },
    },
  };
  const outputs = { default: { dtype: "float64", shape: ["batch"] } };
  const steps = [tokenized[0], wrong, ...meanNormalized];
  await writeManifest(path, { task: "text-embedding", signatures: { default: { inputs, outputs, steps } } });
  const findings = await checkModule(path, (await openModule(path)).manifest);
  expect(findings.map(({ code }) => code)).toEqual(findings.map(() => "manifest-mismatch"));
  const details = findings.map(({ detail }) => detail).join("\n");
  for (const name of ["attention_mask", "token_type_ids", "no input mask", "no output x", "not float64"])
    expect(details).toContain(name);
});

test("assets that are missing or can't be used are findings", async () => {
  const path = await encoder("assets", meanNormalized, { default: vector });
  const { manifest } = await openModule(path);
  await writeFile(join(path, "tokenizer.json"), "<html>");
  expect(await checkModule(path, manifest)).toMatchObject([{ code: "asset-invalid" }]);
  await rm(join(path, "tokenizer.json"));
  expect(await checkModule(path, manifest)).toMatchObject([{ code: "asset-invalid" }]);
  await rm(join(path, "onnx"), { recursive: true });
  expect((await checkModule(path, manifest)).map(({ code }) => code)).toContain("manifest-mismatch");
});
