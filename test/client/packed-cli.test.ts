import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cleanUp } from "../e2e/hub.ts";
import { model, node, value } from "../fixtures/raw-graph.ts";
import { installed, nodeOf, packed } from "./installed-package.ts";
import { PackedHub, plainEnvironment, type Ran, shell } from "./packed-hub.ts";

/** The packed command as a user gets it: installed by npm in an empty folder, on a plain Node 22. */

let folder: string;
let env: Record<string, string>;
let hub: PackedHub;

beforeAll(async () => {
  folder = installed(await packed("packages/cli"));
  env = plainEnvironment(folder, nodeOf(22));
  hub = await PackedHub.start(folder, env, "--no-examples");
  env = { ...env, MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: hub.token };
});
afterAll(async () => {
  await hub?.stop();
  await cleanUp();
});

const run = (script: string): Promise<Ran> => shell(script, folder, env);

test("it runs on a plain Node 22, and says so", async () => {
  const { stdout } = await run("modulehub version --json");
  expect(JSON.parse(stdout)).toMatchObject({ node: expect.stringMatching(/^22\./) });
});

test("an older Node is told in one sentence which one is needed", async () => {
  expect(await run(`${nodeOf(20)} node_modules/modulehub/modulehub.js version`)).toEqual({
    code: 2,
    stdout: "",
    stderr: expect.stringMatching(/^modulehub needs Node 22\.13 or later; this is v20\.\S+\.\n$/),
  });
});

test("it has no private dependency, and pins those it has", () => {
  const own = JSON.parse(readFileSync(join(folder, "node_modules/modulehub/package.json"), "utf8"));
  expect(own.private).toBeUndefined();
  expect(Object.keys(own.dependencies).filter((name) => name.startsWith("@modulehub/"))).toEqual([]);
  for (const version of Object.values(own.dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
});

test("a module of word vectors is built, published and queried", async () => {
  writeFileSync(join(folder, "words.txt"), "the 0.1 0.2\ncat 1 0\ndog 0.9 0.1\nparliament 0 1\n");
  await run("modulehub build text-embedding --vectors words.txt --out words");
  expect((await run("modulehub publish words acme/words")).stdout).toMatch(
    /^Published acme\/words\/1 {2}sha256:/,
  );
  const { embeddings } = JSON.parse((await run("modulehub embed acme/words cat --json")).stdout);
  // One word: the sum of its vectors over the root of one.
  expect(embeddings).toEqual([[1, 0]]);
});

test("half precision is computed, though Node 22 has no array for it", async () => {
  const half = model({
    nodes: [node("Add", ["x", "x"], ["y"])],
    inputs: [value("x", "float16", ["batch", 2])],
    outputs: [value("y", "float16", ["batch", 2])],
  });
  writeFileSync(join(folder, "half.onnx"), half);
  expect((await run("modulehub publish half.onnx acme/half")).code).toBe(0);
  const { stdout } = await run("modulehub infer acme/half --input 'x=[[1.5,-2],[0,65504]]' --json");
  // Twice the largest binary16 is beyond it.
  expect(JSON.parse(stdout).outputs.y).toEqual({
    dtype: "float16",
    shape: [2, 2],
    data: [3, -4, 0, "Infinity"],
  });
});
