import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type CommandResult,
  cleanUp,
  modulehub,
  ROOT,
  type RunningHub,
  startHub,
  temporaryFolder,
} from "./hub.ts";

/**
 * The commands about training, on a hub with its examples and the reviews that are shipped: checked, ranked, trained
 * on, published, evaluated, traced, interrupted. Each test goes on where the one before ended.
 */

const REVIEWS = join(ROOT, "examples/reviews/reviews.csv");
const BASE = "modulehub/nnlm-en-dim100-with-normalization";
const HEAD = "--hidden 16 --steps 300 --learning-rate 0.01 --batch 16".split(" ");

let hub: RunningHub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(cleanUp);

/** The last line that a command printed, as JSON. */
async function json(ran: Promise<CommandResult>): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await ran;
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}

test("rank tells the modules apart, best first", async () => {
  const other = "modulehub/nnlm-en-dim100";
  const { candidates } = await json(modulehub(hub, "rank", other, BASE, "--data", REVIEWS, "--json"));
  const errors = (candidates as { handle: string; nearest: { error: number; examples: number } }[]).map(
    ({ nearest }) => nearest.error,
  );
  expect(candidates).toHaveLength(2);
  expect(errors).toEqual(errors.toSorted((a, b) => a - b));
  // Half of the texts are of each label: chance is wrong half of the time.
  expect(errors[0]).toBeLessThan(0.5);
});

test("train publishes one module of base and head, and the same seed gives the same weights", async () => {
  const trainInto = (handle: string) =>
    json(modulehub(hub, "train", BASE, "--data", REVIEWS, ...HEAD, "--publish", handle, "--json"));
  const first = await trainInto("acme/reviews@stable");
  expect(first).toMatchObject({ handle: "acme/reviews/1", version: 1, steps: 300 });
  // 64 texts are learnt by heart; of the 16 others more are right than by chance (p = 0.04 for 12 of 16).
  expect(first.trainAccuracy).toBeGreaterThan(0.95);
  expect(first.testAccuracy).toBeGreaterThanOrEqual(0.75);
  expect(first.confusionMatrix).toMatchObject({ labels: ["bad", "good"] });
  const again = await trainInto("acme/reviews-again");
  expect(again.digest).toBe(first.digest);
});

test("what was trained takes texts and gives labels", async () => {
  const { results } = await json(
    modulehub(
      hub,
      "classify",
      "acme/reviews@stable",
      "what a wonderful film",
      "a dull and stupid story",
      "--json",
    ),
  );
  const labels = (results as { label: string }[][]).map(([best]) => best?.label);
  expect(labels).toEqual(["good", "bad"]);
});

test("evaluate tells how good it is, and fails a build below a bar", async () => {
  const evaluate = (...options: string[]) =>
    modulehub(hub, "evaluate", "acme/reviews", "--data", REVIEWS, "--json", ...options);
  const found = await json(evaluate());
  expect(found).toMatchObject({ handle: "acme/reviews/1", of: "all", evaluation: { examples: 80 } });
  const { code, stderr } = await evaluate("--require-accuracy", "1");
  expect(code).toBe(1);
  expect(JSON.parse(stderr.trim().split("\n").at(-1) ?? "")).toMatchObject({ code: "accuracy-too-low" });
});

test("lineage leads up and down", async () => {
  const up = await json(modulehub(hub, "lineage", "acme/reviews", "--json"));
  expect(up).toMatchObject({
    trainedFrom: { base: { handle: `${BASE}/1` }, dataSet: { name: "reviews.csv" } },
  });
  const { stdout } = await modulehub(hub, "lineage", BASE, "--down");
  expect(stdout).toContain(`acme/reviews/1  from ${BASE}/1`);
});

test("a folder is sent once, however often it is trained on", async () => {
  const folder = join(temporaryFolder(), "folder");
  for (const [index, line] of readFileSync(REVIEWS, "utf8").trim().split("\n").slice(1).entries()) {
    const [, text = "", label = ""] = /^"?(.*?)"?,(good|bad)$/.exec(line) ?? [];
    mkdirSync(join(folder, label), { recursive: true });
    writeFileSync(join(folder, label, `${index}.txt`), text);
  }
  const trainOn = () =>
    modulehub(hub, "train", BASE, "--data", folder, "--publisher", "acme", "--steps", "20");
  const first = await trainOn();
  expect(first).toMatchObject({ code: 0, stderr: expect.stringContaining("Sending ") });
  const second = await trainOn();
  expect(second.code).toBe(0);
  expect(second.stderr).not.toContain("Sending ");
  expect(second.stdout.split("\n").slice(1)).toEqual(first.stdout.split("\n").slice(1));
});

test("Ctrl-C leaves a job alone and says how to watch it; then it can be cancelled", async () => {
  const child = spawn(
    process.execPath,
    [
      join(ROOT, "packages/cli/bin/modulehub.js"),
      ...["train", BASE, "--data", REVIEWS, "--publisher", "acme", "--steps", "5000000", "--hidden", "512"],
    ],
    { env: { ...process.env, MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: hub.token } },
  );
  let stderr = "";
  const closed = new Promise<number | null>((resolve) => child.once("close", resolve));
  await new Promise<void>((resolve) =>
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
      if (stderr.includes("\nTraining ")) resolve();
    }),
  );
  child.kill("SIGINT");
  expect(await closed, stderr).toBe(130);
  const id = /The job goes on\. Watch it: modulehub jobs watch (\S+);/.exec(stderr)?.[1] ?? "";
  expect(await json(modulehub(hub, "jobs", "show", id, "--json"))).toMatchObject({ state: "running" });
  expect((await modulehub(hub, "jobs", "cancel", id)).stdout).toBe(`Job ${id} is cancelled\n`);
  expect(await modulehub(hub, "jobs", "watch", id)).toMatchObject({ code: 1, stdout: "" });
  expect((await modulehub(hub, "jobs", "list", "--state", "cancelled")).stdout).toContain(id);
});

test("a job's log says what was done", async () => {
  const { items } = await json(
    modulehub(hub, "jobs", "list", "--kind", "train", "--state", "succeeded", "--json"),
  );
  const [job] = items as { id: string }[];
  const { code, stdout } = await modulehub(hub, "jobs", "logs", job?.id ?? "");
  expect(code).toBe(0);
  expect(stdout.trim()).not.toBe("");
});

test("a name that one may not write is refused before anything is sent", async () => {
  const { code, stderr } = await modulehub(
    hub,
    "train",
    BASE,
    "--data",
    REVIEWS,
    "--publish",
    "acme/reviews/1",
  );
  expect(code).toBe(1);
  expect(stderr).toContain("(code version-exists");
  expect(stderr).not.toContain("Sending ");
});
