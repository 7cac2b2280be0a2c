import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { InputTensor } from "@modulehub/core";
import { openModule } from "@modulehub/runtime";
import { openSession } from "@modulehub/runtime/session";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cleanUp, modulehub, ROOT, type RunningHub, startHub, until } from "../e2e/hub.ts";
import { ask, batchingOf, cosine, embed, infer, rowDifference } from "./hub-answers.ts";

/** The example classifier and its feature vector on the photos of examples/photos, over HTTP and by command. */

const CLASSIFIER = "modulehub/imagenet/efficientnet-lite0/classification";
const FEATURES = "modulehub/imagenet/efficientnet-lite0/feature-vector";
const PHOTOS = join(ROOT, "examples/photos");
const LABELS = readFileSync(
  join(ROOT, "examples/modules/efficientnet-lite0/classification/labels.txt"),
  "utf8",
).split("\n");

/** What each photo shows, decided by looking at it. */
const shown: Record<string, { acceptable: number[] }> = JSON.parse(
  readFileSync(join(PHOTOS, "expected.json"), "utf8"),
).photos;

/** What Python with Pillow and ONNX Runtime makes of each photo; `origin` there names the script. */
const reference: Record<string, { committedTop1: number; featureVector: number[] }> = JSON.parse(
  readFileSync(join(PHOTOS, "reference.json"), "utf8"),
).photos;

interface Classes {
  results: { label: string; score: number }[][];
}

const names = Object.keys(reference);
const photo = (name: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(join(PHOTOS, name)));
const b64 = (name: string) => ({ b64: Buffer.from(photo(name)).toString("base64") });
const form = (...files: string[]): FormData => {
  const body = new FormData();
  for (const name of files) body.append("image", new Blob([photo(name)]), name);
  return body;
};

let hub: RunningHub;
beforeAll(async () => {
  hub = await startHub();
  // The last of the examples.
  await until("the feature vector is published", 60, async () => {
    const answer = await fetch(`${hub.url}/v1/modules/${FEATURES}/versions/1`);
    return answer.ok;
  });
});
afterAll(cleanUp);

/** fetch sets the boundary of a form itself. */
async function postForm<T>(module: string, operation: string, body: FormData): Promise<T> {
  const answer = await fetch(`${hub.url}/v1/modules/${module}/${operation}`, {
    method: "POST",
    headers: { authorization: `Bearer ${hub.token}` },
    body,
  });
  return (await answer.json()) as T;
}

test("the first label of every photo is right, and Python's", async () => {
  for (const name of names) {
    const { results } = await ask<Classes>(hub, CLASSIFIER, "classify", { inputs: b64(name), topK: 5 });
    expect(results[0], name).toHaveLength(5);
    const index = LABELS.indexOf(results[0]![0]!.label);
    expect(index, name).toBe(reference[name]!.committedTop1);
    const { acceptable } = shown[name]!;
    if (acceptable.length > 0) expect(acceptable, name).toContain(index);
  }
});

test("feature vectors point where Python's point", async () => {
  for (const name of names) {
    const [vector] = await embed(hub, FEATURES, b64(name));
    expect(cosine(vector!, reference[name]!.featureVector), name).toBeGreaterThanOrEqual(0.999);
  }
});

test("several photos in one form get what each gets alone, in order", async () => {
  const { results } = await postForm<Classes>(CLASSIFIER, "classify", form(...names));
  expect(results).toHaveLength(names.length);
  for (const [index, name] of names.entries()) {
    const alone = (await postForm<Classes>(CLASSIFIER, "classify", form(name))).results[0]!;
    const together = results[index]!;
    expect(together[0]!.label, name).toBe(alone[0]!.label);
    // Labels of equal score may change places; by name they are comparable.
    const byName = new Map(together.map(({ label, score }) => [label, score]));
    for (const { label, score } of alone) expect(byName.get(label), `${name} ${label}`).toBeCloseTo(score, 6);
  }
});

test("photos sent at once get the feature vectors that each gets alone", async () => {
  const { batching, evidence } = await batchingOf(hub, FEATURES);
  expect(batching, evidence.join("\n")).toMatchObject({ inputs: { image: 0 }, pad: {} });
  const alone: number[][] = [];
  for (const name of names) alone.push((await embed(hub, FEATURES, b64(name)))[0]!);
  const many = [...names, ...names.toReversed(), ...names];
  const atOnce = await Promise.all(many.map(async (name) => (await embed(hub, FEATURES, b64(name)))[0]!));
  for (const [index, name] of many.entries())
    expect(rowDifference(alone[names.indexOf(name)]!, atOnce[index]!), name).toBeLessThanOrEqual(1e-6);
  const { embeddings } = await postForm<{ embeddings: number[][] }>(FEATURES, "embed", form(...names));
  for (const [index, name] of names.entries())
    expect(rowDifference(alone[index]!, embeddings[index]!), name).toBeLessThanOrEqual(1e-6);
});

test("logits of photos sent at once equal a direct run of the original graph on each photo's pixels", async () => {
  const folder = join(ROOT, "examples/modules/efficientnet-lite0/classification");
  const module = await openModule(folder);
  const session = await openSession(join(folder, "model.onnx"), { threads: 1 });
  const atOnce = await Promise.all(names.map((name) => infer(hub, CLASSIFIER, { image: [b64(name)] })));
  for (const [index, name] of names.entries()) {
    const input: InputTensor = { dtype: "image", shape: [1], data: [photo(name)] };
    const { feeds } = await module.prepare("default", new Map([["image", input]]));
    const logits = (await session.run(feeds, ["logits"])).get("logits");
    if (logits?.dtype !== "float32") throw new Error("The logits are float32.");
    expect(rowDifference(logits.data, atOnce[index]!.default!.data), name).toBeLessThanOrEqual(1e-6);
  }
  await session.close();
});

test("the command line classifies and embeds photos by their files", async () => {
  const files = names.map((name) => join(PHOTOS, name));
  const classified = await modulehub(hub, "classify", CLASSIFIER, ...files, "--top-k", "1", "--json");
  expect(classified.code, classified.stderr).toBe(0);
  const { results }: Classes = JSON.parse(classified.stdout);
  expect(results.map(([best]) => LABELS.indexOf(best!.label))).toEqual(
    names.map((name) => reference[name]!.committedTop1),
  );
  const embedded = await modulehub(hub, "embed", FEATURES, files[0]!, "--json");
  const { embeddings }: { embeddings: number[][] } = JSON.parse(embedded.stdout);
  expect(cosine(embeddings[0]!, reference[names[0]!]!.featureVector)).toBeGreaterThanOrEqual(0.999);
});
