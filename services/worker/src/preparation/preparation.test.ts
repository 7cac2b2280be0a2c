import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type InputTensor, parseManifest } from "@modulehub/core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { moduleFolder } from "../testing/engines.ts";
import { temporaryFolder } from "../testing/modules.ts";
import { sentenceTransformer, TOKENIZER, TRANSFORMER } from "../testing/text-modules.ts";
import { Preparation } from "./preparation.ts";
import { ThreadPool } from "./thread-pool.ts";

let pool: ThreadPool;
let place: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  pool = new ThreadPool({ threads: 2, jobMs: 3000, heapMegabytes: 256, waitingBytes: 2 ** 20 });
  place = await temporaryFolder();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await pool.close();
  await place.remove();
});

/** How short texts of a module with that tokenizer are prepared, and which jobs threads were given meanwhile. */
async function setup(tokenizer: unknown) {
  const module = sentenceTransformer();
  const json = module.blobs.get(module.files.find(({ path }) => path === "module.json")!.digest)!;
  const folder = await moduleFolder(place.folder, "m", TRANSFORMER, parseManifest(json).signatures);
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
  const run = vi.spyOn(pool, "run");
  const preparation = new Preparation(pool);
  const what = { digest: "sha256:m", folder, signature: "default" };
  const prepare = async (text: string) => {
    const input: InputTensor = { dtype: "string", shape: [1], data: [text] };
    const [prepared] = await preparation.prepare(what, [new Map([["text", input]])]);
    return prepared?.feeds.get("input_ids")?.data;
  };
  const kinds = () => run.mock.calls.map(([, { kind }]) => kind);
  return { prepare, kinds, run };
}

const { vocab } = TOKENIZER.model;
const EXPECTED = BigInt64Array.from([1, vocab.the!, vocab.cat!, vocab.sat!, 2].map(BigInt));

test("short texts of a module that is asked often need no thread, and become the same tokens", async () => {
  const { prepare, kinds, run } = await setup({
    ...TOKENIZER,
    normalizer: { type: "BertNormalizer", lowercase: true },
    pre_tokenizer: { type: "BertPreTokenizer" },
  });
  for (let times = 0; times < 16; times++) expect(await prepare("the cat sat")).toEqual(EXPECTED);
  await vi.waitFor(() => expect(kinds()).toContain("quick"));
  await Promise.all(run.mock.results.map(({ value }) => value));
  const before = kinds().length;
  for (let times = 0; times < 4; times++) expect(await prepare("the cat sat")).toEqual(EXPECTED);
  expect(kinds()).toHaveLength(before);
  await prepare("the cat sat ".repeat(500));
  await prepare(`the ${"x".repeat(60)}`);
  expect(kinds().slice(before)).toEqual(["prepare", "prepare"]);
});

test("a tokenizer with a pattern of its own stays in threads, however often it is asked", async () => {
  const { prepare, kinds, run } = await setup({
    ...TOKENIZER,
    pre_tokenizer: { type: "Split", pattern: { Regex: " " }, behavior: "Removed", invert: false },
  });
  for (let times = 0; times < 16; times++) await prepare("the cat sat");
  await Promise.all(run.mock.results.map(({ value }) => value));
  for (let times = 0; times < 4; times++) await prepare("the cat sat");
  expect(kinds().filter((kind) => kind === "prepare")).toHaveLength(20);
});
