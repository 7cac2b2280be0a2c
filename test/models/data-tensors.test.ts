import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cutOutputs, decodeModel, modelBytes } from "@modulehub/onnx";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cleanUp, type RunningHub, startHub, temporaryFolder } from "../e2e/hub.ts";
import {
  accepted,
  ask,
  batchingOf,
  embed,
  infer,
  publishByCommand,
  rowDifference,
  showVersion,
} from "./hub-answers.ts";
import { CASES, repeat } from "./source-numbers.ts";
import { hasTestData, testData } from "./test-data.ts";

/**
 * Models that others made, published as the bare files that they are, and asked for what the SOURCE.md beside each
 * says that onnxruntime-node 1.30.0 gave.
 */

const moduleOf = (file: string): string =>
  `data/${file.replace(/\.onnx$/, "").replaceAll(/[^A-Za-z0-9]+/g, "-")}`;

describe.skipIf(!hasTestData)("models that others made", () => {
  let hub: RunningHub;
  beforeAll(async () => {
    hub = await startHub({ examples: false });
  });
  afterAll(cleanUp);

  test.each(CASES)("$file gives the numbers of its SOURCE.md", async ({ file, inputs, outputs }) => {
    const module = moduleOf(file);
    await accepted(hub, testData(file), module);
    const answered = await infer<number | string | boolean>(hub, module, inputs);
    expect(Object.keys(answered).sort()).toEqual(Object.keys(outputs).sort());
    for (const [name, { shape, data }] of Object.entries(outputs)) {
      const tensor = answered[name]!;
      if (shape) expect(tensor.shape, name).toEqual(shape);
      for (const [index, value] of data.entries())
        if (typeof value === "number") expect(tensor.data[index], name).toBeCloseTo(value, 4);
        else expect(tensor.data[index], name).toBe(value);
    }
  });

  test("the linear classifier's best of 14 classes has the probability that its SOURCE.md gives", async () => {
    const { probabilities } = await infer(hub, moduleOf("sklearn-models/linear_classifier.onnx"), {
      input: [repeat(1, 12)],
    });
    expect(Math.max(...probabilities!.data)).toBeCloseTo(0.95809, 5);
  });

  test("a graph that says less of its input than it needs refuses a run, and goes on", async () => {
    const module = "data/treecl";
    await accepted(hub, testData("sklearn-models/treecl.onnx"), module);
    // SOURCE.md: the column count is not declared, 8 columns throw at run.
    expect(await ask(hub, module, "infer", { inputs: { input: [repeat(1, 8)] } })).toMatchObject({
      status: 422,
      code: "run-failed",
    });
    const { label_0 } = await infer(hub, module, { input: [repeat(1, 30), repeat(0, 30)] });
    expect(label_0).toMatchObject({ dtype: "int64", shape: [2] });
  });

  test("every model of the collection of small ones is looked at here", () => {
    const here = new Set([
      ...CASES.map(({ file }) => file),
      ...["treecl", "vectorizer", "example_strings"].map((name) => `sklearn-models/${name}.onnx`),
    ]);
    const files = readdirSync(testData("sklearn-models")).filter((name) => name.endsWith(".onnx"));
    expect(files.filter((name) => !here.has(`sklearn-models/${name}`))).toEqual([]);
  });

  test.each(["vectorizer", "example_strings"])(
    "%s, which needs a locale of the system, is refused where that is missing",
    async (name) => {
      const published = await publishByCommand(
        hub,
        testData(`sklearn-models/${name}.onnx`),
        `data/sk-${name}`,
      );
      const locales = spawnSync("locale", ["-a"], { encoding: "utf8" }).stdout ?? "";
      if (/^en_US\.utf-?8$/im.test(locales)) {
        expect(published).toMatchObject({ version: 1 });
        return;
      }
      expect(published).toMatchObject({
        problem: {
          status: 422,
          code: "session-failed",
          detail: expect.stringContaining('attribute locale to "C"'),
        },
      });
    },
  );

  test("a model whose only outputs are maps is refused, by the client and by the hub", async () => {
    const folder = temporaryFolder();
    const whole = decodeModel(readFileSync(testData("text-sentiment-string/model-zipmap.onnx")));
    const graph = modelBytes(cutOutputs(whole, ["probabilities"]));
    writeFileSync(join(folder, "maps.onnx"), graph);
    expect(await publishByCommand(hub, join(folder, "maps.onnx"), "data/maps-bare")).toMatchObject({
      problem: { code: "dtype-unsupported" },
    });
    mkdirSync(join(folder, "module"));
    writeFileSync(join(folder, "module", "model.onnx"), graph);
    const signature = {
      inputs: { text: { dtype: "string", shape: ["batch"] } },
      outputs: { probabilities: { dtype: "float32", shape: ["batch", 2] } },
    };
    const manifest = { schemaVersion: 1, task: "other", signatures: { default: signature } };
    writeFileSync(join(folder, "module", "module.json"), JSON.stringify(manifest));
    const published = await publishByCommand(hub, join(folder, "module"), "data/maps");
    expect(published).toMatchObject({ problem: { status: 422 } });
    expect(["dtype-unsupported", "manifest-mismatch"]).toContain(
      "problem" in published && published.problem.code,
    );
  });

  test("a sentiment model with an example batches its strings, and answers the same under load", async () => {
    const folder = temporaryFolder();
    cpSync(testData("text-sentiment-string/model.onnx"), join(folder, "model.onnx"));
    const texts = readFileSync(testData("text-rt-polarity/rt-polarity.pos"), "utf8").split("\n").slice(0, 64);
    const { manifest } = await showVersion(hub, moduleOf("text-sentiment-string/model.onnx"));
    const examples = [{ inputs: { text: texts.slice(0, 4) } }];
    writeFileSync(join(folder, "module.json"), JSON.stringify({ ...manifest, examples }));
    const module = "data/sentiment-with-example";
    await accepted(hub, folder, module);
    const { batching, evidence } = await batchingOf(hub, module);
    expect(batching, evidence.join("\n")).toMatchObject({
      inputs: { text: 0 },
      outputs: { label: 0, probabilities: 0 },
    });
    const together = await infer(hub, module, { text: texts });
    const alone = await Promise.all(texts.map((text) => infer(hub, module, { text: [text] })));
    for (const [index, answer] of alone.entries()) {
      expect(answer.label!.data[0]).toBe(together.label!.data[index]);
      const row = together.probabilities!.data.slice(index * 2, index * 2 + 2);
      expect(rowDifference(row, answer.probabilities!.data)).toBeLessThanOrEqual(1e-6);
    }
  });

  test("a tiny transformer in Hugging Face's layout embeds as its SOURCE.md says, alone and padded", async () => {
    const module = "data/random-tiny";
    await accepted(hub, testData("transformer-random-tiny"), module);
    const expected = [0.31225, -0.05596, -0.25, 0.2736, -0.12132, 0.08483];
    const [alone] = await embed(hub, module, "hello world");
    const [padded] = await embed(hub, module, ["hello world", "the cat sat on the mat ."]);
    for (const [index, value] of expected.entries()) expect(alone![index]).toBeCloseTo(value, 5);
    expect(rowDifference(alone!, padded!)).toBeLessThanOrEqual(1e-6);
    const { batching, evidence } = await batchingOf(hub, module);
    expect(batching, evidence.join("\n")).toMatchObject({ pad: { attention_mask: { axis: 1, value: 0 } } });
    // 128 positions: longer texts are cut, not failed.
    const long = { inputs: "cat ".repeat(300) };
    expect(await ask(hub, module, "embed", long)).toMatchObject({ truncated: [{ kept: 126, of: 300 }] });
  });

  /** The first and last bytes of a file as the model takes them: SOURCE.md, "Inputs and outputs". */
  function magikaBytes(file: Buffer): number[] {
    const isSpace = (byte: number | undefined) =>
      byte !== undefined && " \t\n\r\v\f".includes(String.fromCharCode(byte));
    let head = file.subarray(0, 4096);
    while (isSpace(head[0])) head = head.subarray(1);
    let tail = file.subarray(-4096);
    while (isSpace(tail.at(-1))) tail = tail.subarray(0, -1);
    head = head.subarray(0, 1024);
    tail = tail.subarray(-1024);
    return [...head, ...repeat(256, 1024 - head.length), ...repeat(256, 1024 - tail.length), ...tail];
  }

  test("magika names the type of every sample file", async () => {
    const scores: Record<string, number> = {
      csv: 0.9998,
      html: 0.9949,
      ini: 0.9998,
      json: 0.8633,
      markdown: 0.9904,
      pdf: 1,
      png: 1,
      wav: 0.9981,
      xlsx: 0.9983,
      zip: 0.9933,
    };
    const module = "data/magika";
    await accepted(hub, testData("filetype-magika/model.onnx"), module);
    const labels: string[] = JSON.parse(
      readFileSync(testData("filetype-magika/config.min.json"), "utf8"),
    ).target_labels_space;
    const samples = readdirSync(testData("filetype-magika/samples"));
    expect(samples).toHaveLength(10);
    const bytes = samples.map((name) => magikaBytes(readFileSync(testData("filetype-magika/samples", name))));
    const { target_label } = await infer(hub, module, { bytes });
    expect(target_label!.shape).toEqual([10, 214]);
    for (const [index, name] of samples.entries()) {
      const row = target_label!.data.slice(index * 214, (index + 1) * 214);
      const best = Math.max(...row);
      const label = name.split("__")[0]!;
      expect(labels[row.indexOf(best)], name).toBe(label);
      expect(best, name).toBeCloseTo(scores[label]!, 3);
    }
  });

  test("a voice detector with a state between calls finds the speech in a minute of sound", async () => {
    const module = "data/silero-vad";
    await accepted(hub, testData("audio-silero-vad/silero_vad.onnx"), module);
    const silence = await infer(hub, module, {
      input: [repeat(0, 576)],
      state: { dtype: "float32", shape: [2, 1, 128], data: repeat(0, 256) },
      sr: 16000,
    });
    expect(silence.output!.data[0]).toBeCloseTo(0.00167, 5);
    // 16-bit samples after a header of 44 bytes.
    const wav = readFileSync(testData("audio-silero-vad/test.wav")).subarray(44);
    const samples = Array.from({ length: wav.length / 2 }, (_, index) => wav.readInt16LE(index * 2) / 32768);
    const probabilities: number[] = [];
    let state: unknown = { dtype: "float32", shape: [2, 1, 128], data: repeat(0, 256) };
    let before = repeat(0, 64);
    for (let at = 0; at + 512 <= samples.length; at += 512) {
      const chunk = samples.slice(at, at + 512);
      const answer = await infer(hub, module, { input: [[...before, ...chunk]], state, sr: 16000 });
      probabilities.push(answer.output!.data[0]!);
      state = answer.stateN;
      before = chunk.slice(-64);
    }
    expect(probabilities).toHaveLength(1875);
    const first = [0.208, 0.818, 0.891, 0.996, 0.999, 1, 1, 1, 0.999, 1];
    for (const [index, value] of first.entries()) expect(probabilities[index]).toBeCloseTo(value, 2);
    expect(probabilities.filter((value) => value > 0.5)).toHaveLength(1452);
  });
});
