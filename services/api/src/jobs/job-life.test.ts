import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { collectGarbage } from "../blobs/garbage-collection.ts";
import { ask, digestOf, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";
import { forgetJobs } from "./retention.ts";
import {
  DATA,
  DATA_SET,
  ended,
  evaluateResult,
  HASTY,
  prepare,
  readJobOf,
  sendFile,
  startJob,
  trainRequest,
  trainTo,
  until,
} from "./test-jobs.ts";

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub({ jobSettings: HASTY });
  await prepare(hub);
}, 60_000);
afterAll(() => hub.close());

test("a job is cancelled while it waits, while it runs, and while it is published", async () => {
  const begun = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<void>();
  hub.worker.behaviour.work = async (assignment, _say, gone) => {
    await sendFile(hub, assignment, "weights on the way");
    begun.resolve();
    await once(gone, "abort");
    stopped.resolve();
  };
  const running = await startJob(hub, trainRequest());
  await begun.promise;
  const waiting = await startJob(hub, trainRequest());
  for (const { id } of [waiting, running]) {
    const cancelled = await ask(hub, "DELETE", `/v1/jobs/${id}`);
    expect(cancelled).toMatchObject({ status: 200, body: { state: "cancelled" } });
    // Asked for twice: it stays as it is.
    expect((await ask(hub, "DELETE", `/v1/jobs/${id}`)).body).toEqual(cancelled.body);
  }
  await stopped.promise;
  const { prisma } = hub.deps.database;
  const held = await prisma.blobReference.findMany({ where: { holderId: running.id } });
  expect(held.map(({ holderKind }) => holderKind)).toEqual(["data-set"]);

  hub.worker.behaviour.work = (assignment, say) => trainTo(hub, assignment, say, moduleFiles("cancelled"));
  const { inspect } = hub.worker.behaviour;
  const inspected = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  hub.worker.behaviour.inspect = async (request) => {
    inspected.resolve();
    await released.promise;
    return inspect(request);
  };
  const publishing = await startJob(hub, trainRequest({ publish: { module: "acme/cancelled" } }));
  await inspected.promise;
  expect((await readJobOf(hub, publishing.id)).progress).toEqual({ stage: "publishing" });
  expect((await ask(hub, "DELETE", `/v1/jobs/${publishing.id}`)).body).toMatchObject({ state: "cancelled" });
  released.resolve();
  hub.worker.behaviour.inspect = inspect;
  expect((await ask(hub, "GET", "/v1/modules/acme/cancelled/versions/1")).status).toBe(404);
  const drafts = await ask<{ items: { state: string }[] }>(hub, "GET", "/v1/drafts?module=acme/cancelled");
  expect(drafts.body.items).toMatchObject([{ state: "cancelled" }]);
}, 30_000);

test("a draft of a job that somebody cancels, or whose module is deleted, fails the job", async () => {
  const { inspect } = hub.worker.behaviour;
  hub.worker.behaviour.work = (assignment, say) => trainTo(hub, assignment, say, moduleFiles(assignment.job));
  const ends = {
    "draft-state": (draft: string) => ask(hub, "DELETE", `/v1/drafts/${draft}`),
    gone: () => ask(hub, "DELETE", "/v1/modules/acme/lost-gone"),
  };
  for (const [code, end] of Object.entries(ends)) {
    const inspected = Promise.withResolvers<void>();
    hub.worker.behaviour.inspect = async (request) => {
      inspected.resolve();
      await new Promise((resolve) => setTimeout(resolve, 300));
      return inspect(request);
    };
    const job = await startJob(hub, trainRequest({ publish: { module: `acme/lost-${code}` } }));
    await inspected.promise;
    const drafts = await ask<{ items: { id: string }[] }>(hub, "GET", `/v1/drafts?module=acme/lost-${code}`);
    expect((await end(drafts.body.items[0]!.id)).status).toBeLessThan(300);
    expect(await ended(hub, job.id)).toMatchObject({ state: "failed", problem: { code } });
  }
  hub.worker.behaviour.inspect = inspect;
}, 30_000);

test("who watches a job hears its states, its progress and its log, and is told once more that it has ended", async () => {
  const watched = Promise.withResolvers<void>();
  hub.worker.behaviour.work = async (assignment, say) => {
    await watched.promise;
    say({ message: "progress", progress: { stage: "training", done: 3, total: 10, loss: 0.5 } });
    say({ message: "log", level: "info", text: "a line" });
    await trainTo(hub, assignment, say, {});
  };
  const job = await startJob(hub, trainRequest());
  const events = await fetch(`${hub.url}/v1/jobs/${job.id}/events`, { headers: hub.admin });
  expect(events.headers.get("content-type")).toBe("text/event-stream");
  await until(hub, job.id, ({ state }) => state === "running");
  watched.resolve();
  const text = await events.text();
  const told = [...text.matchAll(/^(?:id: (.*)\n)?event: (.*)\ndata: (.*)$/gm)].map(([, id, name, data]) => ({
    id,
    name,
    data: JSON.parse(data!),
  }));
  const states = told.filter(({ name }) => name === "state");
  expect(states.at(-1)!.data).toMatchObject({ id: job.id, state: "succeeded", result: { kind: "train" } });
  expect(told.filter(({ name }) => name === "progress").map(({ data }) => data)).toContainEqual({
    ...{ stage: "training", done: 3, total: 10, loss: 0.5 },
  });
  expect(told.filter(({ name }) => name === "log").map(({ data }) => data.message)).toContain("a line");
  const again = await fetch(`${hub.url}/v1/jobs/${job.id}/events`, {
    headers: { ...hub.admin, "last-event-id": states.at(-1)!.id! },
  });
  expect(again.status).toBe(204);
});

/** A version of a module that says `neg` or `pos`. */
const classifierFiles = (content: string) => ({
  ...moduleFiles(content),
  "module.json": JSON.stringify({
    ...{ schemaVersion: 1, task: "text-classification" },
    signatures: {
      default: {
        inputs: { text: { dtype: "string", shape: ["batch"] } },
        outputs: {
          "top.labels": { dtype: "string", shape: ["batch", "k"] },
          "top.scores": { dtype: "float32", shape: ["batch", "k"] },
        },
        steps: [
          { run: { graph: "model.onnx", inputs: { text: "text" }, outputs: { scores: "scores" } } },
          { labels: { from: "scores", labels: "labels.txt", as: "top" } },
        ],
      },
    },
  }),
  "labels.txt": "neg\npos\n",
});

test("versions are compared on what both were evaluated on, with chance where the jobs may be read", async () => {
  const name = "acme/compared";
  await publish(hub, name, classifierFiles("first"), { visibility: "public" });
  await publish(hub, name, classifierFiles("second"), { visibility: "public" });
  hub.worker.behaviour.work = ({ task }, say) => {
    if (task.kind !== "evaluate") throw new Error("another task");
    // Of four examples the first three are right; of the second version all.
    const second = { accuracy: 1, correct: "8A==" };
    const change = task.module.handle === `${name}/2` ? second : {};
    say({ message: "result", result: evaluateResult(task.module, change), files: [] });
  };
  for (const version of [1, 2]) {
    const request = { kind: "evaluate", module: `${name}/${version}`, dataSet: DATA_SET, publisher: "acme" };
    expect(await ended(hub, (await startJob(hub, request)).id)).toMatchObject({ state: "succeeded" });
  }
  const compared = async (query: string, headers?: Record<string, string>) =>
    ask(hub, "GET", `/v1/modules/${name}/versions/2/comparison?with=${query}`, undefined, headers);
  const differences = { accuracy: { first: 0.75, second: 1, difference: 0.25 } };
  expect((await compared(`${name}/1`, hub.admin)).body).toMatchObject({
    first: `${name}/1`,
    second: `${name}/2`,
    comparisons: [
      {
        examples: 4,
        // One example of four parts them: by chance alone that is certain.
        comparison: { sameExamples: true, differences, mcnemar: { onlyFirst: 0, onlySecond: 1, pValue: 1 } },
      },
    ],
  });
  const anyone = (await compared(`${name}/1`, {})).body as { comparisons: { comparison: object }[] };
  expect(anyone.comparisons[0]?.comparison).toMatchObject({ differences });
  expect(anyone.comparisons[0]?.comparison).not.toHaveProperty("mcnemar");
  expect((await compared("acme/none/1", {})).status).toBe(404);
  expect((await compared("a%20b", {})).status).toBe(400);
  const page = await fetch(`${hub.url}/${name}/2`, { headers: { accept: "text/html" } });
  expect(await page.text()).toContain("Beside the version before");
});

test("versions that were trained on the same splits are compared on these, with chance where the jobs may be read", async () => {
  hub.worker.behaviour.work = (assignment, say) => trainTo(hub, assignment, say, moduleFiles(assignment.job));
  for (const seed of [1, 2]) {
    const request = trainRequest({
      settings: { steps: 10, seed },
      publish: { module: "acme/twice", visibility: "public" },
    });
    expect(await ended(hub, (await startJob(hub, request)).id)).toMatchObject({ state: "succeeded" });
  }
  const compared = async (headers: Record<string, string>) => {
    const path = "/v1/modules/acme/twice/versions/2/comparison?with=acme/twice/1";
    const { body } = await ask(hub, "GET", path, undefined, headers);
    return (body as { comparisons: { comparison: object }[] }).comparisons[0]?.comparison;
  };
  // The same three of four are right in both.
  const mcnemar = { onlyFirst: 0, onlySecond: 0, pValue: 1 };
  expect(await compared(hub.admin)).toMatchObject({ sameExamples: true, mcnemar });
  expect(await compared({})).not.toHaveProperty("mcnemar");
});

test("an evaluation is kept with its version, for those whom it concerns, without what quotes the data", async () => {
  const made = classifierFiles("classifier");
  await publish(hub, "acme/classifier", made, { visibility: "public" });
  await prepare(hub, "others");
  hub.worker.behaviour.work = (assignment, say) => {
    if (assignment.task.kind !== "evaluate") throw new Error("another task");
    say({ message: "result", result: evaluateResult(assignment.task.module), files: [] });
  };
  const request = { kind: "evaluate", module: "acme/classifier", dataSet: DATA_SET };
  for (const publisher of ["acme", "others"]) {
    const end = await ended(hub, (await startJob(hub, { ...request, publisher })).id);
    expect(end).toMatchObject({
      state: "succeeded",
      result: { evaluation: { mistakes: [{ truth: "pos" }] } },
    });
  }
  const listed = async (headers: Record<string, string>) => {
    const path = "/v1/modules/acme/classifier/versions/1/evaluations";
    const { body } = await ask<{ items: { publisher: string }[] }>(hub, "GET", path, undefined, headers);
    expect(JSON.stringify(body)).not.toContain("secret");
    return body.items.map(({ publisher }) => publisher);
  };
  expect(await listed({})).toEqual(["acme"]);
  expect(await listed(await hub.tokenOf("reader", "others"))).toEqual(["others", "acme"]);
  expect(await listed(hub.admin)).toEqual(["others", "acme"]);
  const low = await startJob(hub, { ...request, publisher: "acme", requireAccuracy: 0.9 });
  expect(await ended(hub, low.id)).toMatchObject({ state: "failed", problem: { code: "accuracy-too-low" } });
  expect(await listed({})).toEqual(["acme"]);
});

test("a base that may not be read is not named in a lineage, and one that was deleted still is", async () => {
  hub.worker.behaviour.work = (assignment, say) => trainTo(hub, assignment, say, moduleFiles(assignment.job));
  await publish(hub, "acme/hidden", moduleFiles("hidden"));
  const train = async (base: string, module: string) => {
    const request = trainRequest({ base, publish: { module, visibility: "public" } });
    const end = await ended(hub, (await startJob(hub, request)).id);
    expect(end, JSON.stringify(end)).toMatchObject({ state: "succeeded" });
  };
  await train("acme/hidden", "acme/second");
  await train("acme/second", "acme/third");
  const read = async (module: string, headers: Record<string, string> = {}) =>
    (await ask(hub, "GET", `/v1/modules/${module}/versions/1/lineage`, undefined, headers)).body;
  expect(await read("acme/third")).toMatchObject({
    trainedFrom: { base: { handle: "acme/second/1" } },
    ancestors: [],
  });
  expect(await read("acme/third", hub.admin)).toMatchObject({ ancestors: [{ handle: "acme/hidden/1" }] });
  expect(JSON.stringify(await read("acme/second"))).not.toContain("acme/hidden");
  expect(await read("acme/hidden", hub.admin)).toMatchObject({
    descendants: [
      { handle: "acme/third/1", from: "acme/second/1" },
      { handle: "acme/second/1", from: "acme/hidden/1" },
    ],
  });
  await train("acme/third", "acme/fourth");
  await ask(hub, "PUT", "/v1/modules/acme/third", { visibility: "private" });
  // The one between is not named either, where what came from it is.
  expect(await read("acme/second")).toMatchObject({ descendants: [{ handle: "acme/fourth/1" }] });
  expect(JSON.stringify(await read("acme/second"))).not.toContain("acme/third");
  expect(await read("acme/second", hub.admin)).toMatchObject({
    descendants: [
      { handle: "acme/fourth/1", from: "acme/third/1" },
      { handle: "acme/third/1", from: "acme/second/1" },
    ],
  });
  await ask(hub, "PUT", "/v1/modules/acme/third", { visibility: "public", module: "acme/third-renamed" });
  expect(await read("acme/second")).toMatchObject({
    descendants: [
      { handle: "acme/fourth/1", from: "acme/third-renamed/1" },
      { handle: "acme/third-renamed/1", from: "acme/second/1" },
    ],
  });
  await ask(hub, "PUT", "/v1/modules/acme/third-renamed", { module: "acme/third" });
  await ask(hub, "POST", "/v1/modules/acme/second/versions/1/yank", { reason: "old" });
  expect(await read("acme/third")).toMatchObject({ trainedFrom: { base: { yanked: true } } });
  await ask(hub, "DELETE", "/v1/modules/acme/second/versions/1");
  expect(await read("acme/third")).toMatchObject({
    trainedFrom: { base: { handle: "acme/second/1", deleted: true } },
    ancestors: [],
  });
}, 30_000);

test("a job's data set is kept while the job is remembered, and collected afterwards", async () => {
  const { database, store } = hub.deps;
  const { prisma } = database;
  await prisma.job.deleteMany();
  await prisma.blobReference.deleteMany({ where: { holderKind: { in: ["data-set", "upload"] } } });
  // Sent again, since nothing keeps it any more but what is to come.
  await prisma.blobReference.create({
    data: {
      blobId: (await prisma.blob.findFirstOrThrow({ where: { digest: digestOf(DATA) } })).id,
      ...{ holderKind: "upload", holderId: "gone", publisherId: "acme" },
    },
  });
  hub.worker.behaviour.work = (assignment, say) => trainTo(hub, assignment, say, {});
  const job = await startJob(hub, trainRequest());
  await ended(hub, job.id);
  await prisma.blobReference.deleteMany({ where: { holderKind: "upload" } });
  const collect = async () => {
    await prisma.$executeRaw`UPDATE blob SET touched_at = now() - interval '9 hours'`;
    await collectGarbage({ database, store, log: { warn: () => undefined } }, 3_600);
    return prisma.blob.findFirst({ where: { digest: digestOf(DATA) } });
  };
  expect(await forgetJobs(database, HASTY.rememberedSeconds)).toBe(0);
  expect(await collect()).not.toBeNull();
  await prisma.$executeRaw`UPDATE job SET ended_at = now() - interval '31 days'`;
  expect(await forgetJobs(database, HASTY.rememberedSeconds)).toBe(1);
  expect(await collect()).toBeNull();
  expect((await ask(hub, "GET", `/v1/jobs/${job.id}`)).status).toBe(404);
});

test("jobs are forgotten some at a time until none is left that ended so long ago, their logs with them", async () => {
  const { prisma } = hub.deps.database;
  await prisma.job.deleteMany();
  const job = (index: number, days: number) => ({
    ...{ id: `old-${index}`, kind: "train", state: "cancelled", publisherId: "acme" },
    ...{ request: {}, subjects: [], askedBy: {}, endedAt: new Date(Date.now() - days * 86_400_000) },
  });
  await prisma.job.createMany({
    data: [...Array.from({ length: 45 }, (_, index) => job(index, 31)), job(45, 29)],
  });
  await prisma.$executeRaw`
    INSERT INTO job_log (job_id, number, level, message)
    SELECT id, number, 'info', 'line' FROM job, generate_series(1, 3) number`;
  expect(await forgetJobs(hub.deps.database, 30 * 86_400)).toBe(45);
  expect(await prisma.job.findMany({ select: { id: true } })).toEqual([{ id: "old-45" }]);
  expect(await prisma.jobLog.count()).toBe(3);
  await prisma.job.deleteMany();
});

test("Prometheus is told how many jobs there are, and how long they took", async () => {
  const text = await (await fetch(`${hub.url}/metrics`, { headers: hub.admin })).text();
  expect(text).toMatch(/^modulehub_jobs\{kind="train",state="failed"\} 0$/m);
  expect(text).toMatch(/^modulehub_job_seconds_total\{kind="train",stage="training"\} \d/m);
});
