import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  call,
  cleanUp,
  command,
  modulehub,
  ROOT,
  type RunningHub,
  startHub,
  temporaryFolder,
} from "./hub.ts";

/**
 * The main job on a hub started by `npm start`: the examples are published, resolved and queried, by HTTP
 * and by command line, and all of it is still there after a Ctrl-C and after a SIGKILL.
 */

let hub: RunningHub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(cleanUp);

const SENTENCES = ["A long sentence.", "single-word", "http://example.com", ""];

interface InferAnswer {
  module: string;
  version: number;
  digest: string;
  outputs: Record<string, { dtype: string; shape: number[]; data: number[] }>;
}

const infer = async (path: string, body: unknown): Promise<InferAnswer> => {
  const answer = await call(hub, "POST", path, body);
  expect(answer.status, await answer.clone().text()).toBe(200);
  return (await answer.json()) as InferAnswer;
};

test("npm start says its address, where the token is, and three commands to try", () => {
  const output = hub.output();
  expect(output).toContain(hub.url);
  expect(output).toContain(join(hub.data, "admin-token"));
  expect(output.match(/^\s*(curl|npx modulehub) .*/gm)?.length ?? 0).toBeGreaterThanOrEqual(3);
  expect(statSync(join(hub.data, "admin-token")).mode & 0o077).toBe(0);
});

test("the curl command that the project grew from works as it is written", async () => {
  const { stdout, code } = await command("curl", [
    "-s",
    `${hub.url}/v1/modules/modulehub/nnlm-en-dim100/versions/1/infer`,
    "-H",
    "content-type: application/json",
    "-d",
    JSON.stringify({ inputs: { text: SENTENCES } }),
  ]);
  expect(code).toBe(0);
  const answer = JSON.parse(stdout) as InferAnswer;
  expect(answer).toMatchObject({
    module: "modulehub/nnlm-en-dim100",
    version: 1,
    digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    outputs: { default: { dtype: "float32", shape: [4, 100] } },
  });
  const data = answer.outputs.default!.data;
  expect(data).toHaveLength(400);
  expect(data.slice(300)).toEqual(new Array(100).fill(0));
  expect(data.slice(0, 100).some((value) => value !== 0)).toBe(true);
});

test("a handle resolves to the exact version, its digest and its files", async () => {
  for (const handle of ["modulehub/nnlm-en-dim100", "modulehub/nnlm-en-dim100/1"]) {
    const answer = await fetch(`${hub.url}/v1/resolve?handle=${encodeURIComponent(handle)}`);
    expect(answer.status).toBe(200);
    const resolved = (await answer.json()) as {
      version: number;
      digest: string;
      files: { path: string; url: string; digest: string }[];
    };
    expect(resolved.version).toBe(1);
    const manifest = resolved.files.find(({ path }) => path === "module.json");
    const bytes = await fetch(manifest!.url);
    expect(bytes.status).toBe(200);
    expect((await bytes.json()) as object).toMatchObject({ schemaVersion: 1, task: "text-embedding" });
  }
});

interface Photos {
  /** By file: indices of the ImageNet classes that name it rightly, decided by looking at it. */
  photos: Record<string, { acceptable: number[] }>;
}

const CLASSIFIER = "modulehub/imagenet/efficientnet-lite0/classification";
const PHOTOS = (JSON.parse(readFileSync(join(ROOT, "examples/photos/expected.json"), "utf8")) as Photos)
  .photos;
const LABELS = readFileSync(
  join(ROOT, "examples/modules/efficientnet-lite0/classification/labels.txt"),
  "utf8",
).split("\n");

test("a photo sent as it is gets the class that people see in it", async () => {
  const named = Object.entries(PHOTOS).filter(([, { acceptable }]) => acceptable.length > 0);
  expect(named.length).toBeGreaterThanOrEqual(5);
  for (const [file, { acceptable }] of named) {
    const answer = await call(
      hub,
      "POST",
      `/v1/modules/${CLASSIFIER}/versions/1/classify`,
      readFileSync(join(ROOT, "examples/photos", file)),
      { "content-type": `image/${file.split(".").at(-1)!.replace("jpg", "jpeg")}` },
    );
    expect(answer.status, await answer.clone().text()).toBe(200);
    const { results } = (await answer.json()) as { results: { label: string; score: number }[][] };
    expect(
      acceptable.map((index) => LABELS[index]),
      file,
    ).toContain(results[0]![0]!.label);
    expect(results[0]![0]!.score).toBeLessThanOrEqual(1);
  }
});

test("the command line publishes, resolves, embeds and classifies, and speaks JSON", async () => {
  const folder = temporaryFolder();
  // Three words in a plane; the vectors are ours, so the embedding can be told on paper.
  const vectors = join(folder, "tiny.txt");
  writeFileSync(vectors, "cat 1 0\ndog 0 1\nparliament -1 -1\n");
  const built = await modulehub(
    hub,
    "build",
    "text-embedding",
    "--vectors",
    vectors,
    "--out",
    join(folder, "module"),
  );
  expect(built.code, built.stderr).toBe(0);

  const published = await modulehub(hub, "publish", join(folder, "module"), "acme/tiny-words", "--json");
  expect(published.code, published.stderr).toBe(0);
  const last = JSON.parse(published.stdout.trim().split("\n").at(-1)!) as { handle: string; version: number };
  expect(last).toMatchObject({ handle: "acme/tiny-words/1", version: 1 });

  const resolved = await modulehub(hub, "resolve", "acme/tiny-words", "--json");
  expect(JSON.parse(resolved.stdout)).toMatchObject({ module: "acme/tiny-words", version: 1 });

  // sqrtn: the sum of the words' vectors over the square root of their number.
  const embedded = await modulehub(hub, "embed", "acme/tiny-words", "cat dog", "--json");
  expect(embedded.code, embedded.stderr).toBe(0);
  const { embeddings } = JSON.parse(embedded.stdout) as { embeddings: number[][] };
  expect(embeddings[0]![0]).toBeCloseTo(1 / Math.SQRT2, 1);
  expect(embeddings[0]![1]).toBeCloseTo(1 / Math.SQRT2, 1);

  const classified = await modulehub(
    hub,
    "classify",
    CLASSIFIER,
    join(ROOT, "examples/photos/chelsea.png"),
    "--json",
  );
  expect(classified.code, classified.stderr).toBe(0);
  expect(JSON.parse(classified.stdout)).toMatchObject({ results: [expect.any(Array)] });
});

test("the first graph is built, run, and published as a module whose input has a fixed size", async () => {
  const env = { MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: hub.token };
  const node = join(ROOT, "node_modules/.bin/node");
  const published = await command(node, ["examples/first-graph.ts", "--publish", "acme/first-graph"], env);
  expect(published.code, published.stderr).toBe(0);
  expect(await infer("/v1/modules/acme/first-graph/infer", { inputs: { x: [1, 2, 3] } })).toMatchObject({
    module: "acme/first-graph",
    version: 1,
  });
});

test("the command line refuses with the problem's code and a non-zero exit", async () => {
  const missing = await modulehub(hub, "resolve", "acme/nothing-here");
  expect(missing.code).not.toBe(0);
  expect(missing.stderr).toMatch(/module-not-found/);
});

test("everything is there again after Ctrl-C, and after SIGKILL", async () => {
  const before = await infer("/v1/modules/modulehub/nnlm-en-dim100/infer", { inputs: { text: SENTENCES } });
  expect(await hub.interrupt()).toBe(0);
  hub = await startHub({ data: hub.data, examples: false });
  const after = await infer("/v1/modules/modulehub/nnlm-en-dim100/infer", { inputs: { text: SENTENCES } });
  expect(after).toEqual(before);
  await hub.kill();
  hub = await startHub({ data: hub.data, examples: false });
  expect(
    await infer("/v1/modules/acme/tiny-words/versions/1/infer", { inputs: { text: ["cat"] } }),
  ).toMatchObject({
    module: "acme/tiny-words",
    version: 1,
  });
});

test("a second hub on the same data is refused, and says who holds it", async () => {
  await expect(startHub({ data: hub.data, examples: false })).rejects.toThrow(/\b\d+\b/);
});
