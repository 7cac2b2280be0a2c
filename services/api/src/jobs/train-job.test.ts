import { EventEmitter, once } from "node:events";
import { type JobAssignment, problem } from "@modulehub/core";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ask, digestOf, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";
import {
  DATA,
  ended,
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
beforeEach(() => {
  hub.worker.assignments.length = 0;
});

const referencesOf = (holderId: string) =>
  hub.deps.database.prisma.blobReference.findMany({ where: { holderId }, include: { blob: true } });

test("what a job trains is published as any module, with its lineage, and the job says so", async () => {
  hub.worker.behaviour.work = async (assignment, say) => {
    say({ message: "progress", progress: { stage: "training", done: 5, total: 10, loss: 0.3 } });
    say({ message: "log", level: "info", text: "half-way" });
    await trainTo(hub, assignment, say, moduleFiles("trained"));
  };
  const publishTo = { module: "acme/trained", visibility: "public", aliases: ["stable"] };
  const job = await startJob(hub, trainRequest({ publish: publishTo }));
  expect(job).toMatchObject({ kind: "train", publisher: "acme", subject: "acme/base/1" });
  const end = await ended(hub, job.id);
  expect(end).toMatchObject({ state: "succeeded", attempts: 1 });
  expect(end.result).toMatchObject({
    kind: "train",
    published: { handle: "acme/trained/1", version: 1 },
    evaluations: { test: { accuracy: 0.75 } },
  });
  const version = await ask(hub, "GET", "/v1/modules/acme/trained/versions/stable");
  expect(version.body).toMatchObject({ version: 1 });
  const lineage = await ask(hub, "GET", "/v1/modules/acme/trained/versions/1/lineage", undefined, {});
  expect(lineage.body).toMatchObject({
    handle: "acme/trained/1",
    trainedFrom: {
      base: { handle: "acme/base/1" },
      dataSet: { digest: digestOf(DATA), name: "words.csv" },
      settings: { seed: 7, steps: 10, learningRate: 0.001 },
      figures: { test: { accuracy: 0.75, confusions: [] } },
    },
    ancestors: [],
  });
  expect(JSON.stringify(lineage.body)).not.toContain("secret");
  const down = await ask(hub, "GET", "/v1/modules/acme/base/versions/1/lineage", undefined, {});
  expect(down.body).toMatchObject({ descendants: [{ handle: "acme/trained/1", from: "acme/base/1" }] });
  const log = await ask<{ items: { message: string }[] }>(hub, "GET", `/v1/jobs/${job.id}/log`);
  expect(log.body.items.map(({ message }) => message)).toEqual(["half-way", "Succeeded."]);
  const audit = await ask<{ items: { action: string; detail: object; version?: number }[] }>(
    hub,
    "GET",
    "/v1/audit?publisher=acme",
  );
  expect(audit.body.items).toContainEqual(
    expect.objectContaining({ action: "module.publish", module: "acme/trained", version: 1 }),
  );
  expect(audit.body.items).toContainEqual(
    expect.objectContaining({
      action: "job.write",
      detail: { job: job.id, kind: "train", state: "queued", subjects: ["acme/base/1"] },
    }),
  );
  const held = await referencesOf(job.id);
  expect(held.map(({ holderKind, blob }) => [holderKind, blob.digest])).toEqual([
    ["data-set", digestOf(DATA)],
  ]);
});

test("a job whose worker dies goes on from its last checkpoint, whose bytes nothing else keeps", async () => {
  const checkpoint = "weights at step 5";
  hub.worker.behaviour.work = async (assignment, say) => {
    if (hub.worker.assignments.length === 1) {
      expect((await sendFile(hub, assignment, "weights at step 3")).status).toBe(204);
      const first = { digest: digestOf("weights at step 3"), size: 17, step: 3 };
      say({ message: "checkpoint", checkpoint: first });
      expect((await sendFile(hub, assignment, checkpoint)).status).toBe(204);
      const second = { digest: digestOf(checkpoint), size: checkpoint.length, step: 5 };
      say({ message: "checkpoint", checkpoint: second });
      await until(hub, assignment.job, ({ checkpointStep }) => checkpointStep === 5);
      const held = await referencesOf(assignment.job);
      expect(held.map(({ holderKind, blob }) => [holderKind, blob.digest]).sort()).toEqual([
        ["checkpoint", digestOf(checkpoint)],
        ["data-set", digestOf(DATA)],
      ]);
      throw new Error("killed");
    }
    await trainTo(hub, assignment, say, {});
  };
  const job = await startJob(hub, trainRequest());
  const end = await ended(hub, job.id);
  expect(end).toMatchObject({ state: "succeeded", attempts: 2 });
  const [first, second] = hub.worker.assignments;
  expect(first!.task).not.toHaveProperty("checkpoint");
  expect(second!.task).toMatchObject({ checkpoint: { digest: digestOf(checkpoint), step: 5 } });
  expect(second!.attempt).not.toBe(first!.attempt);
  expect((await referencesOf(job.id)).map(({ holderKind }) => holderKind)).toEqual(["data-set"]);
});

test("a job is waited for while no worker is there, and begun when one comes", async () => {
  hub.worker.behaviour.work = (assignment, say) => trainTo(hub, assignment, say, {});
  await hub.worker.shut();
  const job = await startJob(hub, trainRequest());
  const waiting = await until(hub, job.id, ({ attempts }) => attempts >= 4);
  expect(waiting).toMatchObject({ state: "running", progress: { stage: "waiting" } });
  await hub.worker.open();
  expect(await ended(hub, job.id)).toMatchObject({ state: "succeeded" });
});

test("a job that an API was doing is gone on with by the next one", async () => {
  const begun = new EventEmitter();
  hub.worker.behaviour.work = async (assignment, say, gone) => {
    if (hub.worker.assignments.length === 1) {
      await sendFile(hub, assignment, "weights");
      say({ message: "checkpoint", checkpoint: { digest: digestOf("weights"), size: 7, step: 4 } });
      begun.emit("begun");
      await once(gone, "abort");
      begun.emit("gone");
      return;
    }
    await trainTo(hub, assignment, say, {});
  };
  const [started, given] = [once(begun, "begun"), once(begun, "gone")];
  const job = await startJob(hub, trainRequest());
  await started;
  await until(hub, job.id, ({ checkpointStep }) => checkpointStep === 4);
  await hub.restart();
  await given;
  expect(await ended(hub, job.id)).toMatchObject({ state: "succeeded", attempts: 2, checkpointStep: 4 });
  expect(hub.worker.assignments[1]!.task).toMatchObject({ checkpoint: { step: 4 } });
});

test("a job whose draft can't be verified at once has none, and goes on: the two are one transaction", async () => {
  hub.worker.behaviour.work = (assignment, say) => trainTo(hub, assignment, say, moduleFiles("handed over"));
  const { prisma } = hub.deps.database;
  await prisma.$executeRaw`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$`;
  await prisma.$executeRaw`
    CREATE TRIGGER refuse BEFORE UPDATE ON draft FOR EACH ROW WHEN (NEW.state = 'verifying') EXECUTE FUNCTION refuse()`;
  const job = await startJob(hub, trainRequest({ publish: { module: "acme/handed-over" } }));
  await until(hub, job.id, ({ attempts }) => attempts >= 2);
  expect(await prisma.draft.findMany({ where: { jobId: job.id } })).toEqual([]);
  await prisma.$executeRaw`DROP TRIGGER refuse ON draft`;
  expect(await ended(hub, job.id)).toMatchObject({
    state: "succeeded",
    result: { published: { handle: "acme/handed-over/1" } },
  });
});

test("what an attempt sends that was given up is refused, and changes nothing", async () => {
  let old: JobAssignment | undefined;
  hub.worker.behaviour.work = async (assignment, say) => {
    if (hub.worker.assignments.length === 1) {
      old = assignment;
      throw new Error("killed");
    }
    const late = await sendFile(hub, old!, "late");
    expect(late.status).toBe(404);
    expect(await late.json()).toMatchObject({ code: "job-not-found" });
    await trainTo(hub, assignment, say, {});
  };
  const job = await startJob(hub, trainRequest());
  expect(await ended(hub, job.id)).toMatchObject({ state: "succeeded", attempts: 2 });
  expect((await sendFile(hub, hub.worker.assignments[1]!, "later")).status).toBe(404);
  const blobs = hub.deps.database.prisma.blob;
  expect(await blobs.findMany({ where: { digest: { in: [digestOf("late"), digestOf("later")] } } })).toEqual(
    [],
  );
});

test("bytes with another digest than their address are refused and not kept", async () => {
  hub.worker.behaviour.work = async (assignment, say) => {
    const address = `${hub.url}/internal/jobs/${assignment.job}/files/${digestOf("promised")}`;
    const headers = { ...hub.workerToken, "modulehub-attempt": assignment.attempt };
    const sent = await fetch(address, { method: "PUT", headers, body: "other" });
    expect(sent.status).toBe(422);
    expect(await sent.json()).toMatchObject({ code: "digest-mismatch" });
    await trainTo(hub, assignment, say, {});
  };
  const job = await startJob(hub, trainRequest());
  expect(await ended(hub, job.id)).toMatchObject({ state: "succeeded" });
  const stored = hub.deps.database.prisma.blob.findFirst({ where: { digest: digestOf("promised") } });
  expect(await stored).toBeNull();
});

test.each([
  ["its data's", problem("data-one-class", "There is one class."), "data-one-class", 1],
  ["its settings'", problem("training-diverged", "Not finite at step 3."), "training-diverged", 1],
  ["its process's again and again", problem("job-crashed"), "job-crashed", 3],
])("a job that fails by %s fault says so", async (_whose, error, code, tries) => {
  hub.worker.behaviour.work = (_assignment, say) => say({ message: "problem", problem: error.toDocument() });
  const job = await startJob(hub, trainRequest({ publish: { module: "acme/never" } }));
  const end = await ended(hub, job.id);
  expect(end).toMatchObject({ state: "failed", problem: { code }, attempts: tries });
  expect((await ask(hub, "GET", "/v1/modules/acme/never")).status).toBe(404);
});

test("a job whose accuracy is too low publishes nothing, and tells what it came to", async () => {
  hub.worker.behaviour.work = (assignment, say) => trainTo(hub, assignment, say, {}, 0.6);
  const request = trainRequest({ requireAccuracy: 0.7, publish: { module: "acme/never" } });
  const end = await ended(hub, (await startJob(hub, request)).id);
  expect(end).toMatchObject({
    state: "failed",
    problem: { code: "accuracy-too-low", detail: expect.stringContaining("0.6000") },
    result: { evaluations: { test: { accuracy: 0.6 } } },
  });
  expect((await ask(hub, "GET", "/v1/modules/acme/never")).status).toBe(404);
});

test("a job whose time is up fails, and its worker is told to stop", async () => {
  const own = await startTestHub({ jobSettings: { ...HASTY, mostSeconds: 1 } });
  try {
    await prepare(own);
    const stopped = Promise.withResolvers<void>();
    own.worker.behaviour.work = async (_assignment, _say, gone) => {
      await once(gone, "abort");
      stopped.resolve();
    };
    const end = await ended(own, (await startJob(own, trainRequest())).id);
    expect(end).toMatchObject({ state: "failed", problem: { code: "job-timeout" } });
    await stopped.promise;
  } finally {
    await own.close();
  }
}, 60_000);

test("a module that inspection rejects fails the job with the module's fault", async () => {
  hub.worker.behaviour.work = (assignment, say) =>
    trainTo(hub, assignment, say, moduleFiles("to be rejected"));
  const { inspect } = hub.worker.behaviour;
  hub.worker.behaviour.inspect = () => ({
    outcome: "rejected",
    problems: [problem("graph-invalid", "It is wrong.").toDocument()],
  });
  try {
    const job = await startJob(hub, trainRequest({ publish: { module: "acme/rejected" } }));
    expect(await ended(hub, job.id)).toMatchObject({
      state: "failed",
      problem: { code: "graph-invalid", detail: "It is wrong." },
    });
    expect((await referencesOf(job.id)).map(({ holderKind }) => holderKind)).toEqual(["data-set"]);
  } finally {
    hub.worker.behaviour.inspect = inspect;
  }
});

test("files of a job that publishes are kept until they are the version's", async () => {
  hub.worker.behaviour.work = (assignment, say) =>
    trainTo(hub, assignment, say, moduleFiles("kept until then"));
  const { inspect } = hub.worker.behaviour;
  let seen: { holderKind: string }[] = [];
  let id = "";
  hub.worker.behaviour.inspect = async (request) => {
    seen = await referencesOf(id);
    return inspect(request);
  };
  try {
    const job = await startJob(hub, trainRequest({ publish: { module: "acme/kept" } }));
    id = job.id;
    expect(await ended(hub, job.id)).toMatchObject({ state: "succeeded" });
    expect(seen.filter(({ holderKind }) => holderKind === "job-file")).toHaveLength(3);
    expect((await readJobOf(hub, job.id)).result).toMatchObject({ published: { handle: "acme/kept/1" } });
  } finally {
    hub.worker.behaviour.inspect = inspect;
  }
});

test("a base that is yanked serves on; one that is deleted fails the job, before and after training", async () => {
  for (const when of ["before", "after"] as const) {
    const name = `acme/base-${when}`;
    await publish(hub, name, moduleFiles(`base ${when}`));
    const deleted = Promise.withResolvers<void>();
    hub.worker.behaviour.work = async (assignment, say) => {
      const take = async () => {
        const gone = await ask(hub, "DELETE", `/v1/modules/${name}/versions/1`);
        expect(gone.status).toBe(204);
        deleted.resolve();
      };
      if (hub.worker.assignments.length === 1 && when === "before") {
        await take();
        throw new Error("killed");
      }
      if (when === "after") await take();
      await trainTo(hub, assignment, say, moduleFiles(`made ${when}`));
    };
    hub.worker.assignments.length = 0;
    const request = trainRequest({ base: name, publish: { module: `acme/made-${when}` } });
    const job = await startJob(hub, request);
    await deleted.promise;
    const end = await ended(hub, job.id);
    expect(end).toMatchObject({ state: "failed", problem: { code: "base-unavailable" } });
    const made = await ask(hub, "GET", `/v1/modules/acme/made-${when}/versions/1`);
    expect(made.status).toBe(404);
  }
  await publish(hub, "acme/yanked", moduleFiles("yanked"));
  await ask(hub, "POST", "/v1/modules/acme/yanked/versions/1/yank", { reason: "old" });
  hub.worker.behaviour.work = (assignment, say) => trainTo(hub, assignment, say, {});
  const job = await startJob(hub, trainRequest({ base: "acme/yanked/1" }));
  expect(await ended(hub, job.id)).toMatchObject({ state: "succeeded" });
  const log = await ask<{ items: { level: string; message: string }[] }>(
    hub,
    "GET",
    `/v1/jobs/${job.id}/log`,
  );
  expect(log.body.items[0]).toMatchObject({ level: "warn", message: expect.stringContaining("yanked") });
});

test("whoever may not read the base or write any more when it is published, publishes nothing", async () => {
  const writer = await hub.tokenOf("writer", "acme");
  await ask(hub, "POST", "/v1/publishers", { id: "others" });
  await publish(hub, "others/base", moduleFiles("others"), { visibility: "public" });
  const changes = {
    "base-unavailable": () => ask(hub, "PUT", "/v1/modules/others/base", { visibility: "private" }),
    forbidden: () => ask(hub, "PUT", "/v1/publishers/acme/members/acme-writer", { role: "reader" }),
  };
  for (const [code, change] of Object.entries(changes)) {
    hub.worker.behaviour.work = async (assignment, say) => {
      expect((await change()).status).toBeLessThan(300);
      await trainTo(hub, assignment, say, moduleFiles(`lost by ${code}`));
    };
    const base = code === "forbidden" ? "acme/base" : "others/base";
    const request = trainRequest({ base, publish: { module: `acme/lost-${code}` } });
    const end = await ended(hub, (await startJob(hub, request, writer)).id);
    expect(end).toMatchObject({ state: "failed", problem: { code } });
    expect((await ask(hub, "GET", `/v1/modules/acme/lost-${code}/versions/1`)).status).toBe(404);
  }
});
