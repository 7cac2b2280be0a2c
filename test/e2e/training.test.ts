import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventsAt, statesOf } from "./events.ts";
import { call, cleanUp, type RunningHub, startHub, until } from "./hub.ts";
import { upload } from "./publish-files.ts";

/**
 * Transfer learning on a hub started by `npm start`, through REST alone: a text classifier is trained on word vectors,
 * published, asked, evaluated; and killed in the middle, worker, API and both, to come out the same.
 */

const ENV = { MODULEHUB_CHECKPOINT_SECONDS: "0" };
let hub: RunningHub;
beforeAll(async () => {
  hub = await startHub({ env: ENV });
  expect((await call(hub, "POST", "/v1/publishers", { id: "acme" })).status).toBe(201);
}, 240_000);
afterAll(cleanUp);

const WORDS = {
  pos: "wonderful great brilliant delightful moving funny superb excellent charming beautiful".split(" "),
  neg: "awful boring terrible dull stupid annoying poor horrible tedious ugly".split(" "),
};

/** Sentences about films, with a word that praises or damns; every seventh is for the test. */
const rowsOf = (count: number) =>
  Array.from({ length: count }, (_, row) => {
    const label = row % 2 === 0 ? "pos" : "neg";
    const word = WORDS[label][(row >> 1) % 10]!;
    const subject = ["film", "movie", "story", "picture", "show"][row % 5]!;
    return `what a ${word} ${subject} with number ${row},${label},${row % 7 > 0 ? "train" : "test"}`;
  });
const csv = (rows: string[]) => `text,label,split\n${rows.join("\n")}\n`;
const READING = { format: "csv", columns: { split: "split" } };

interface JobAnswer {
  id: string;
  state: string;
  attempts: number;
  checkpointStep?: number;
  progress?: { stage: string };
  problem?: unknown;
  result?: {
    published?: { handle: string; digest: string };
    evaluations?: Record<string, { accuracy: number }>;
  };
}

async function sendTable(content: string) {
  const bytes = Buffer.from(content);
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  expect(await upload(hub, "acme", bytes, digest)).toBeUndefined();
  return { digest, name: "films.csv", reading: READING };
}

async function start(request: object): Promise<string> {
  const answer = await call(hub, "POST", "/v1/jobs", { publisher: "acme", ...request });
  const job = (await answer.json()) as JobAnswer;
  expect(answer.status, JSON.stringify(job)).toBe(202);
  return job.id;
}

/** A job, or undefined where the hub does not answer just now. */
async function look(id: string): Promise<JobAnswer | undefined> {
  const answer = await call(hub, "GET", `/v1/jobs/${id}`).catch(() => undefined);
  return answer?.ok ? ((await answer.json()) as JobAnswer) : undefined;
}

async function succeeded(id: string): Promise<JobAnswer> {
  let last: JobAnswer | undefined;
  await until(`job ${id} has ended`, 120, async () => {
    last = (await look(id)) ?? last;
    return last !== undefined && last.state !== "queued" && last.state !== "running";
  });
  expect(last, JSON.stringify(last)).toMatchObject({ state: "succeeded" });
  return last!;
}

test("a classifier is trained, published, asked and evaluated, and its lineage is told", async () => {
  const dataSet = await sendTable(csv(rowsOf(400)));
  const id = await start({
    kind: "train",
    base: "modulehub/nnlm-en-dim100-with-normalization",
    dataSet,
    settings: { steps: 300, batch: 32, learningRate: 0.01, head: { hidden: [16] } },
    requireAccuracy: 0.9,
    publish: { module: "acme/films", visibility: "public", aliases: ["stable"] },
  });
  const watching = hub.apis.map((api) => eventsAt(api, `/v1/jobs/${id}/events`, hub.token));
  const job = await succeeded(id);
  // Whichever replica is at it, all tell how far it is, every line of its log, and its end.
  const logs = (await Promise.all(watching)).map((heard) => {
    expect(statesOf(heard).at(-1)).toBe("succeeded");
    expect(heard.filter(({ name }) => name === "progress").length).toBeGreaterThan(0);
    return heard.filter(({ name }) => name === "log").map(({ data }) => data.message);
  });
  for (const log of logs) expect(log).toEqual(logs[0]);
  expect(logs[0]).toContain("Succeeded.");
  expect(job.result?.published?.handle).toBe("acme/films/1");
  expect(job.result?.evaluations?.test?.accuracy).toBeGreaterThanOrEqual(0.9);

  const asked = await call(hub, "POST", "/v1/modules/acme/films/classify", {
    inputs: ["What a wonderful film!", "a terrible, boring show"],
  });
  const { results } = (await asked.json()) as { results: { label: string }[][] };
  expect(results.map(([best]) => best!.label)).toEqual(["pos", "neg"]);

  const lineage = await fetch(`${hub.url}/v1/modules/acme/films/versions/stable/lineage`);
  expect(await lineage.json()).toMatchObject({
    handle: "acme/films/1",
    trainedFrom: {
      base: { handle: "modulehub/nnlm-en-dim100-with-normalization/1" },
      dataSet: { digest: dataSet.digest },
      settings: { steps: 300, seed: 0, optimizer: { name: "adam" } },
    },
  });
  const page = await fetch(`${hub.url}/acme/films/1`, { headers: { accept: "text/html" } });
  expect(await page.text()).toContain("modulehub/nnlm-en-dim100-with-normalization");

  const other = await sendTable(csv(rowsOf(60).map((row) => row.replace("train", "test"))));
  const evaluation = await succeeded(await start({ kind: "evaluate", module: "acme/films", dataSet: other }));
  expect(evaluation.result).toMatchObject({ kind: "evaluate", evaluation: { examples: 60 } });
  const stored = await fetch(`${hub.url}/v1/modules/acme/films/versions/1/evaluations`);
  const { items } = (await stored.json()) as { items: { figures: { accuracy: number } }[] };
  expect(items).toHaveLength(1);
  expect(items[0]!.figures.accuracy).toBeGreaterThanOrEqual(0.9);
  expect(items[0]!.figures).not.toHaveProperty("mistakes");

  const ranking = await start({
    kind: "rank",
    candidates: ["modulehub/nnlm-en-dim100", "modulehub/nnlm-en-dim100-with-normalization"],
    dataSet,
    examples: 100,
  });
  const ranked = await succeeded(ranking);
  expect(ranked.result).toMatchObject({ kind: "rank", candidates: [{ features: 100 }, { features: 100 }] });
}, 240_000);

test("whichever process is killed in the middle, the same seed comes to the same bits", async () => {
  const dataSet = await sendTable(csv(rowsOf(400)));
  const begin = (name: string) =>
    start({
      kind: "train",
      base: "modulehub/nnlm-en-dim100",
      dataSet,
      settings: {
        ...{ steps: 6_000, batch: 64, learningRate: 0.001, seed: 11, checkpointEvery: 50 },
        head: { hidden: [256, 64], dropout: 0.2 },
      },
      publish: { module: `acme/${name}`, visibility: "public" },
    });
  const whole = await succeeded(await begin("whole"));
  const kills: Record<string, () => Promise<void>> = {
    worker: async () => {
      await hub.killWorkers();
    },
    // The command that runs both ends with it: whatever keeps it running starts it anew.
    api: async () => {
      const { data } = hub;
      await hub.killApi();
      await hub.kill();
      hub = await startHub({ data, env: ENV, examples: false });
    },
    both: async () => {
      const { data } = hub;
      await hub.kill();
      hub = await startHub({ data, env: ENV, examples: false });
    },
  };
  for (const [name, kill] of Object.entries(kills)) {
    const id = await begin(`killed-${name}`);
    await until(
      `${name}: a checkpoint was made`,
      60,
      async () => ((await look(id))?.checkpointStep ?? 0) >= 100,
    );
    await kill();
    const job = await succeeded(id);
    expect(job.attempts, name).toBeGreaterThanOrEqual(2);
    expect(job.result?.published?.digest, name).toBe(whole.result?.published?.digest);
  }
}, 400_000);
