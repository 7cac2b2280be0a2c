import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ProblemDocument } from "@modulehub/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call, cleanUp, type RunningHub, startHub, temporaryFolder } from "../e2e/hub.ts";
import { directRun } from "./direct-run.ts";
import { facesOf } from "./faces.ts";
import {
  accepted,
  ask,
  batchingOf,
  cosine,
  embed,
  infer,
  rowDifference,
  showVersion,
} from "./hub-answers.ts";
import { imageModule, MOBILENET_PIXELS, mobilenet } from "./image-module.ts";
import { labelledPhotos } from "./labelled-photos.ts";
import { hasTestData, testData } from "./test-data.ts";

/**
 * Image models that others made, with the preparation that their SOURCE.md describes as a step of module.json.
 * The numbers are those of the SOURCE.md, where sharp decoded and onnxruntime-node 1.30.0 ran; where they depend
 * on how an image is scaled, the hub's may differ a little.
 */

const photo = (name: string): Buffer => readFileSync(testData("photos", name));
const b64 = (bytes: Buffer) => ({ b64: bytes.toString("base64") });

describe.skipIf(!hasTestData)("image models that others made", () => {
  let hub: RunningHub;
  beforeAll(async () => {
    hub = await startHub({ examples: false });
  });
  afterAll(cleanUp);

  describe("MobileNet v2 in int8", () => {
    const module = "data/mobilenet";
    const labels = (): string[] =>
      readFileSync(testData("image-mobilenet-v2-int8/synset.txt"), "utf8").trimEnd().split("\n");
    beforeAll(async () => {
      await accepted(hub, imageModule(mobilenet("model.onnx", "batch")), module);
    });

    test("every photo that can be decoded gets its label, of whatever form it is", async () => {
      const names = labels();
      const photos = labelledPhotos().filter(({ best, format }) => best && format !== "gif");
      expect(photos.length).toBeGreaterThan(25);
      const wrong: string[] = [];
      let sameBest = 0;
      for (const { file, acceptable, best } of photos) {
        const { output, ...classes } = await infer<number | string>(hub, module, {
          image: [b64(photo(file))],
        });
        const index = names.indexOf(String(classes["classes.labels"]!.data[0]));
        const logit = Number(output!.data[best!.index]);
        if (acceptable.length > 0 && !acceptable.includes(index)) wrong.push(`${file}: ${names[index]}`);
        if (index === best!.index) sameBest += 1;
        // The scaler moves logits, the more the further a photo is reduced; another form read wrongly, far more.
        if (Math.abs(logit - best!.logit) > 3)
          wrong.push(`${file}: ${best!.index} ${logit}, not ${best!.logit}`);
      }
      expect(wrong).toEqual([]);
      expect(sameBest / photos.length).toBeGreaterThan(0.85);
    });

    test.each([
      ["sharp-corrupt-header.jpg", "image/jpeg", 422, "image-invalid"],
      ["sharp-truncated.jpg", "image/jpeg", 422, "image-invalid"],
      ["sharp-Crash_test.gif", "image/gif", 415, "unsupported-media-type"],
      ["sharp-Crash_test.gif", "image/png", 422, "image-invalid"],
    ])("%s sent as %s is refused", async (file, type, status, code) => {
      const answer = await call(hub, "POST", `/v1/modules/${module}/classify`, photo(file), {
        "content-type": type,
      });
      expect(answer.status).toBe(status);
      expect((await answer.json()) as ProblemDocument).toMatchObject({ status, code });
    });

    test("a bad photo among good ones refuses its request only", async () => {
      const bad = { inputs: [b64(photo("zebra.png")), b64(photo("sharp-truncated.jpg"))] };
      const [refused, served] = await Promise.all([
        ask<ProblemDocument>(hub, module, "classify", bad),
        ask<{ results: { label: string }[][] }>(hub, module, "classify", {
          inputs: b64(photo("zebra.png")),
          topK: 1,
        }),
      ]);
      expect(refused).toMatchObject({ code: "image-invalid" });
      expect(served.results[0]![0]!.label).toContain("zebra");
    });

    test("a batch of three gives what three single runs give, which inspection proved", async () => {
      const { batching, evidence } = await batchingOf(hub, module);
      expect(batching, evidence.join("\n")).toMatchObject({ inputs: { input: 0 } });
      const three = ["zebra.png", "skimage-coffee.png", "demo-tiger.jpg"].map((name) => b64(photo(name)));
      const together = (await infer(hub, module, { image: three })).output!;
      for (const [index, image] of three.entries()) {
        const alone = (await infer(hub, module, { image: [image] })).output!;
        const row = together.data.slice(index * 1000, (index + 1) * 1000);
        expect(rowDifference(alone.data, row)).toBeLessThanOrEqual(1e-6);
      }
    });

    test("the variant of a fixed batch comes out as none, and serves one photo after the other", async () => {
      const fixed = "data/mobilenet-fixed";
      await accepted(hub, imageModule(mobilenet("model-fixed-batch1.onnx", 1)), fixed);
      const { batching, evidence } = await batchingOf(hub, fixed);
      expect(batching).toBe("none");
      expect(evidence.at(-1)).toContain("fixed batch of 1");
      const image = [b64(photo("zebra.png"))];
      const [free, one] = [await infer(hub, module, { image }), await infer(hub, fixed, { image })];
      expect(rowDifference(free.output!.data, one.output!.data)).toBeLessThanOrEqual(1e-6);
      const three = [image[0], image[0], image[0]];
      expect(await ask(hub, fixed, "infer", { inputs: { image: three } })).toMatchObject({ status: 422 });
    });

    test("bare, they take tensors, and the hub says what they are", async () => {
      for (const name of ["model", "model-fixed-batch1", "feature_vector"]) {
        const bare = `data/mobilenet-bare-${name}`;
        await accepted(hub, testData(`image-mobilenet-v2-int8/${name}.onnx`), bare);
        const { report } = await showVersion(hub, bare);
        expect(report.signatures.default!.batching).toBe("none");
        const shape = [1, 3, 224, 224];
        const data = new Float32Array(150_528).map((_, index) => Math.sin(index * index) * 2);
        const input = { dtype: "float32", shape, data: Array.from(data) };
        const [output] = Object.values(await infer(hub, bare, { input }));
        const graph = testData(`image-mobilenet-v2-int8/${name}.onnx`);
        const direct = await directRun(graph, "input", { dtype: "float32", shape, data });
        expect(output!.shape).toEqual(direct.shape);
        expect(rowDifference(direct.data, output!.data)).toBeLessThanOrEqual(1e-6);
      }
    });

    test("a folder as Hugging Face has it classifies as the module.json written by hand does", async () => {
      const folder = temporaryFolder();
      copyFileSync(testData("image-mobilenet-v2-int8/model.onnx"), join(folder, "model.onnx"));
      const config = {
        architectures: ["MobileNetV2ForImageClassification"],
        id2label: Object.fromEntries(labels().map((label, index) => [index, label])),
      };
      writeFileSync(join(folder, "config.json"), JSON.stringify(config));
      const preprocessor = {
        do_resize: true,
        size: { shortest_edge: 256 },
        resample: 2,
        do_center_crop: true,
        crop_size: { height: 224, width: 224 },
        do_rescale: true,
        rescale_factor: 1 / 255,
        do_normalize: true,
        image_mean: MOBILENET_PIXELS.mean,
        image_std: MOBILENET_PIXELS.deviation,
      };
      writeFileSync(join(folder, "preprocessor_config.json"), JSON.stringify(preprocessor));
      const derived = "data/mobilenet-hugging-face";
      await accepted(hub, folder, derived);
      const inputs = ["demo-tiger.jpg", "elephants.jpg"].map((name) => b64(photo(name)));
      const classes = (of: string) =>
        ask<{ results: unknown }>(hub, of, "classify", { inputs, topK: 3 }).then(({ results }) => results);
      expect(await classes(derived)).toEqual(await classes(module));
    });

    test("its feature vectors lie as near each other as its SOURCE.md says", async () => {
      const features = "data/mobilenet-features";
      const folder = imageModule({
        graph: "image-mobilenet-v2-int8/feature_vector.onnx",
        task: "image-feature-vector",
        image: MOBILENET_PIXELS,
        input: "input",
        outputs: { feature_vector: ["batch", 1280] },
        example: "photos/skimage-coffee.png",
      });
      await accepted(hub, folder, features);
      const files = ["cat-egyptian.png", "skimage-chelsea.png", "zebra.png"];
      const [cat, chelsea, zebra] = await embed(
        hub,
        features,
        files.map((file) => b64(photo(file))),
      );
      expect(cosine(cat!, chelsea!)).toBeCloseTo(0.7389, 1);
      expect(cosine(cat!, zebra!)).toBeCloseTo(0.4711, 1);
      const first = [1.1275, 1.2039, 1.7199, 2.2168, 0.0191];
      expect(cosine(cat!.slice(0, 5), first)).toBeGreaterThan(0.99);
    });
  });

  test("ten digits are read rightly, with the logits of the SOURCE.md", async () => {
    const module = "data/mnist";
    const folder = imageModule({
      graph: "mnist/mnist-8.onnx",
      task: "other",
      image: { channels: "gray", scale: 1 },
      input: "Input3",
      outputs: { Plus214_Output_0: [1, 10] },
      batch: 1,
      example: "mnist/digits/3_1020.png",
    });
    await accepted(hub, folder, module);
    const logits = [5114.1, 3935.9, 4823.9, 6052.0, 7028.5, 4453.1, 4610.2, 4828.7, 3007.3, 5920.2];
    for (const file of readdirSync(testData("mnist/digits"))) {
      const digit = Number(file[0]);
      const image = [b64(readFileSync(testData("mnist/digits", file)))];
      const { data } = (await infer(hub, module, { image })).Plus214_Output_0!;
      expect(data.indexOf(Math.max(...data)), file).toBe(digit);
      expect(data[digit], file).toBeCloseTo(logits[digit]!, 1);
    }
  });

  test("faces are found in group photos, as many as the SOURCE.md counts", async () => {
    const module = "data/ultraface";
    const folder = imageModule({
      graph: "face-detection-ultraface/version-RFB-320.onnx",
      task: "other",
      image: {
        resize: { width: 320, height: 240 },
        scale: 1,
        mean: [127, 127, 127],
        deviation: [128, 128, 128],
      },
      input: "input",
      outputs: { scores: [1, 4420, 2], boxes: [1, 4420, 4] },
      batch: 1,
      example: "face-detection-ultraface/images/group1.jpg",
    });
    await accepted(hub, folder, module);
    const counts = { "group1.jpg": 19, "group2.jpg": 25, "group3.jpg": 15, "skimage-astronaut.png": 1 };
    for (const [file, count] of Object.entries(counts)) {
      const image = [b64(readFileSync(testData("face-detection-ultraface/images", file)))];
      const { scores, boxes } = await infer(hub, module, { image });
      const faces = facesOf(scores!.data, boxes!.data);
      expect(Math.abs(faces.length - count), `${file}: ${faces.length}`).toBeLessThanOrEqual(1);
      if (count === 1) {
        const expected = [0.351, 0.121, 0.524, 0.339];
        for (const [side, value] of expected.entries()) expect(faces[0]![side]).toBeCloseTo(value, 1);
      }
    }
  });

  test("super resolution makes a photo nine times as large", async () => {
    const module = "data/super-resolution";
    const folder = imageModule({
      graph: "super-resolution-10/super-resolution.onnx",
      task: "other",
      image: { resize: { width: 224, height: 224 }, interpolation: "bicubic", channels: "gray" },
      input: "input",
      outputs: { output: ["batch", 1, 672, 672] },
    });
    await accepted(hub, folder, module);
    const image = [b64(readFileSync(testData("super-resolution-10/input.png")))];
    const { output } = await infer(hub, module, { image });
    expect(output!.shape).toEqual([1, 1, 672, 672]);
    const extremes = [Math.min, Math.max].map((least) => output!.data.reduce((a, b) => least(a, b)));
    // min, max and the first three numbers.
    const expected = ["-0.047", "0.769", "0.3800", "0.4342", "0.4461"].map(Number);
    for (const [index, value] of [...extremes, ...output!.data.slice(0, 3)].entries())
      expect(Math.abs(value - expected[index]!), String(value)).toBeLessThan(0.02);
  });

  test("a style is put on a photo", async () => {
    const module = "data/mosaic-of-photos";
    const folder = imageModule({
      graph: "style-transfer-mosaic/mosaic.onnx",
      task: "other",
      image: { resize: { width: 720, height: 720, fit: "cover" }, interpolation: "bicubic", scale: 1 },
      input: "inputImage",
      outputs: { outputImage: ["batch", 3, 720, 720] },
    });
    await accepted(hub, folder, module);
    const image = [b64(photo("winml-hummingbird.jpg"))];
    const { outputImage } = await infer(hub, module, { image });
    expect(outputImage!.shape).toEqual([1, 3, 720, 720]);
    for (const [index, value] of [113.64, 115.78, 137.2].entries())
      expect(Math.abs(outputImage!.data[index]! - value)).toBeLessThan(5);
  });

  test("six megabytes go in and out in the binary form, as a direct run has them", async () => {
    const module = "data/mosaic";
    await accepted(hub, testData("style-transfer-mosaic/mosaic.onnx"), module);
    const shape = [1, 3, 720, 720];
    const pixels = new Float32Array(3 * 720 * 720).map((_, index) => (index * 7919) % 256);
    const header = Buffer.from(
      JSON.stringify({
        inputs: [
          {
            name: "inputImage",
            datatype: "FP32",
            shape,
            parameters: { binary_data_size: pixels.byteLength },
          },
        ],
        parameters: { binary_data_output: true },
      }),
    );
    const answer = await call(
      hub,
      "POST",
      `/v1/modules/${module}/infer`,
      Buffer.concat([header, Buffer.from(pixels.buffer)]),
      {
        "content-type": "application/octet-stream",
        "inference-header-content-length": String(header.byteLength),
      },
    );
    expect(answer.status, answer.status === 200 ? "" : await answer.clone().text()).toBe(200);
    const bytes = Buffer.from(await answer.arrayBuffer());
    const end = Number(answer.headers.get("inference-header-content-length"));
    const { outputs }: { outputs: { name: string; shape: number[] }[] } = JSON.parse(
      bytes.toString("utf8", 0, end),
    );
    expect(outputs).toMatchObject([{ name: "outputImage", datatype: "FP32", shape }]);
    expect(bytes.byteLength - end).toBe(pixels.byteLength);
    const binary = new Float32Array(
      bytes.buffer.slice(bytes.byteOffset + end, bytes.byteOffset + bytes.byteLength),
    );
    const graph = testData("style-transfer-mosaic/mosaic.onnx");
    const direct = await directRun(graph, "inputImage", { dtype: "float32", shape, data: pixels });
    expect(rowDifference(direct.data, binary)).toBeLessThanOrEqual(1e-6);
  });
});
