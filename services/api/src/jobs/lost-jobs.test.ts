import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ask,
  digestOf,
  moduleFiles,
  prepareDraft,
  settled,
  startTestHub,
  type TestHub,
  type UploadBody,
} from "../testing/test-hub.ts";
import { ended, HASTY, prepare, startJob, trainRequest, trainTo } from "./test-jobs.ts";

/** What is under way and whose place in the queue is lost: a restored backup, a queue that gave it up. */

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub({ jobSettings: HASTY });
  await prepare(hub);
}, 60_000);
afterAll(() => hub.close());

test("a row and its place in the queue are there together or not at all, and a place that is lost is given again", async () => {
  const { prisma } = hub.deps.database;
  const places = () => prisma.$queryRaw`SELECT name FROM pgboss.job WHERE state < 'completed' ORDER BY name`;
  // The queue refuses: so nothing of what was to be queued is there either.
  await prisma.$executeRaw`
    CREATE FUNCTION no_queue() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no queue'; END $$`;
  await prisma.$executeRaw`
    CREATE TRIGGER no_queue BEFORE INSERT ON pgboss.job FOR EACH ROW EXECUTE FUNCTION no_queue()`;
  const draft = (await prepareDraft(hub, "acme/lost", moduleFiles("lost"))).body.id;
  const bytes = randomBytes(9_000_000);
  const { body: upload } = await ask<UploadBody>(hub, "POST", "/v1/uploads", {
    publisher: "acme",
    size: bytes.length,
  });
  for (const { n } of upload.parts) {
    const part = bytes.subarray((n - 1) * upload.partSize, n * upload.partSize);
    await ask(hub, "PUT", `/v1/uploads/${upload.id}/parts/${n}`, part);
  }
  const complete = () => ask(hub, "POST", `/v1/uploads/${upload.id}/complete`, { digest: digestOf(bytes) });
  const publish = () => ask(hub, "POST", `/v1/drafts/${draft}/publish`);
  for (const refused of [
    await complete(),
    await publish(),
    await ask(hub, "POST", "/v1/jobs", trainRequest()),
  ])
    expect(refused.status).toBe(500);
  expect(await prisma.draft.findUnique({ where: { id: draft } })).toMatchObject({ state: "uploading" });
  expect(await prisma.upload.findUnique({ where: { id: upload.id } })).toMatchObject({ state: "open" });
  expect(await prisma.job.count()).toBe(0);
  await prisma.$executeRaw`DROP TRIGGER no_queue ON pgboss.job`;

  // What had a place loses it, with what was done for it.
  const { inspect } = hub.worker.behaviour;
  const never = new AbortController();
  hub.worker.behaviour.inspect = async () => {
    await once(never.signal, "abort");
    throw new Error("given up");
  };
  hub.worker.behaviour.work = async (_assignment, _say, gone) => void (await once(gone, "abort"));
  expect((await publish()).status).toBe(202);
  const job = await startJob(hub, trainRequest());
  await hub.app.close();
  never.abort();
  await prisma.upload.update({
    where: { id: upload.id },
    data: { state: "verifying", digest: digestOf(bytes) },
  });
  await prisma.$executeRaw`DELETE FROM pgboss.job`;
  expect(await places()).toEqual([]);
  hub.worker.behaviour.inspect = inspect;
  hub.worker.behaviour.work = (assignment, say) => trainTo(hub, assignment, say, {});
  await hub.restart();
  expect(await settled(hub, draft)).toMatchObject({ state: "published", version: 1 });
  expect(await ended(hub, job.id)).toMatchObject({ state: "succeeded" });
  const stored = () => ask<UploadBody>(hub, "GET", `/v1/uploads/${upload.id}`);
  await expect.poll(async () => (await stored()).body.state, { timeout: 20_000 }).toBe("stored");
}, 90_000);
