import { afterAll, beforeAll, expect, test } from "vitest";
import { openDatabase } from "../database/client.ts";
import { migrate } from "../database/migrate.ts";
import { createIdentity } from "../identity/identity.ts";
import { HASTY, prepare, startJob, trainRequest, trainTo } from "../jobs/test-jobs.ts";
import { type PostgresqlServer, startPostgresql } from "../testing/postgresql-server.ts";
import { ask, moduleFiles, prepareDraft, startTestHub, type TestHub } from "../testing/test-hub.ts";
import { type Told, toldEvents } from "../testing/told-events.ts";

/** Two replicas on one database: what one is doing is seen by who watches at the other. */

let server: PostgresqlServer | undefined;
/** The one that takes all jobs: it was there first, and the other only watches. */
let worker: TestHub;
let watcher: TestHub;
beforeAll(async () => {
  server = await startPostgresql();
  if (server === undefined) return;
  const open = () => openDatabase({ kind: "postgresql", url: server!.url });
  const database = await open();
  await migrate(database);
  const [admin, workerToken] = ["a".repeat(40), "w".repeat(40)];
  const identity = createIdentity(database, { admin, worker: workerToken });
  worker = await startTestHub({ database, identity, jobSettings: HASTY });
  worker.admin = { authorization: `Bearer ${admin}` };
  worker.workerToken = { authorization: `Bearer ${workerToken}` };
  watcher = await startTestHub({
    ...{ database: await open(), store: worker.deps.store, identity },
    jobSettings: HASTY,
    describeOnly: true,
  });
  watcher.admin = worker.admin;
  await prepare(worker);
}, 120_000);
afterAll(async () => {
  await watcher?.close();
  await worker?.close();
  await server?.stop();
});

/** The events of a path at the replica that watches, as they come. */
async function* watch(path: string): AsyncGenerator<Told, void> {
  const answer = await fetch(watcher.url + path, { headers: worker.admin });
  expect(answer.headers.get("content-type")).toBe("text/event-stream");
  yield* toldEvents(answer.body!);
}

test("who watches a draft at another replica hears its steps, its tries and its end", async (context) => {
  if (server === undefined) context.skip("PostgreSQL is not installed");
  const { inspect } = worker.worker.behaviour;
  const seen = Promise.withResolvers<void>();
  worker.worker.behaviour.inspect = async (request) => {
    await seen.promise;
    return inspect(request);
  };
  const { body: draft } = await prepareDraft(worker, "acme/watched", moduleFiles("watched"));
  const events = watch(`/v1/drafts/${draft.id}/events`);
  expect((await events.next()).value).toMatchObject({ name: "state", data: { state: "uploading" } });
  await ask(worker, "POST", `/v1/drafts/${draft.id}/publish`);
  const told: unknown[] = [];
  for await (const { name, data } of events) {
    told.push(name === "state" ? data.state : data.step);
    if (data.step === "inspecting") seen.resolve();
  }
  expect(told.filter((each) => each !== "reading")).toEqual(["verifying", "inspecting", "published"]);
  worker.worker.behaviour.inspect = inspect;
}, 60_000);

test("who watches a job at another replica hears its progress and every line of its log, and then its end", async (context) => {
  if (server === undefined) context.skip("PostgreSQL is not installed");
  const seen = Promise.withResolvers<void>();
  const lines = Array.from({ length: 250 }, (_, n) => `line ${n}`);
  worker.worker.behaviour.work = async (assignment, say) => {
    say({ message: "progress", progress: { stage: "training", done: 3, total: 10, loss: 0.5 } });
    say({ message: "log", level: "info", text: "before" });
    await seen.promise;
    for (const text of lines) say({ message: "log", level: "info", text });
    await trainTo(worker, assignment, say, {});
  };
  const job = await startJob(worker, trainRequest());
  const states: unknown[] = [];
  const log: unknown[] = [];
  for await (const { name, data } of watch(`/v1/jobs/${job.id}/events`)) {
    if (name === "state") states.push(data.state);
    if (name === "log") log.push(data.message);
    if (name === "progress" && data.stage === "training") {
      expect(data).toMatchObject({ done: 3, total: 10 });
      seen.resolve();
    }
  }
  expect(states.at(-1)).toBe("succeeded");
  expect(log.filter((line) => String(line).startsWith("line"))).toEqual(lines);
}, 60_000);

test("a reader of a job's events whose membership ends hears nothing more", async (context) => {
  if (server === undefined) context.skip("PostgreSQL is not installed");
  const reader = await worker.tokenOf("writer", "acme");
  const gone = Promise.withResolvers<void>();
  worker.worker.behaviour.work = async (assignment, say) => {
    await gone.promise;
    await trainTo(worker, assignment, say, {});
  };
  const job = await startJob(worker, trainRequest());
  const answer = await fetch(`${watcher.url}/v1/jobs/${job.id}/events`, { headers: reader });
  expect(answer.status).toBe(200);
  await ask(worker, "DELETE", "/v1/publishers/acme/members/acme-writer");
  // It ends by itself, and the job has not ended.
  expect(await answer.text()).not.toContain('"state":"succeeded"');
  gone.resolve();
  expect((await fetch(`${watcher.url}/v1/jobs/${job.id}/events`, { headers: reader })).status).toBe(404);
}, 60_000);
