import { once } from "node:events";
import { readdirSync } from "node:fs";
import { type ClientRequest, request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { JobAssignment } from "@modulehub/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, digestOf, moduleFiles, startTestHub, type TestHub } from "../testing/test-hub.ts";
import { ended, HASTY, prepare, startJob, trainRequest, trainTo } from "./test-jobs.ts";

/** Files that workers send for a job and that don't arrive: they end with their try, not six hours later. */

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub({ jobSettings: HASTY });
  await prepare(hub);
}, 60_000);
afterAll(() => hub.close());

const BYTES = Buffer.alloc(2_000_000, "weights ");

/** Begins to send a file, with half of its bytes. */
function sendHalf({ job, attempt }: JobAssignment): ClientRequest {
  const sending = request(`${hub.url}/internal/jobs/${job}/files/${digestOf(BYTES)}`, {
    method: "PUT",
    headers: {
      ...hub.workerToken,
      "modulehub-attempt": attempt,
      "content-type": "application/octet-stream",
      "content-length": BYTES.length,
    },
  });
  sending.on("error", () => undefined);
  sending.write(BYTES.subarray(0, BYTES.length / 2));
  return sending;
}
const open = (jobId: string) => hub.deps.database.prisma.upload.count({ where: { jobId, state: "open" } });
const onTheirWay = () => readdirSync(join(hub.data, "uploads"));
const numberOfBlobs = () =>
  readdirSync(join(hub.data, "blobs"), { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  ).length;
const used = async () => (await ask<{ used: number }>(hub, "GET", "/v1/publishers/acme/quota")).body.used;

test("a worker that breaks off in the middle of a file leaves nothing, and the job goes on", async () => {
  const before = await used();
  let tries = 0;
  let leftOpen: number | undefined;
  hub.worker.behaviour.work = async (assignment, say) => {
    tries += 1;
    if (tries > 1) {
      await expect.poll(() => open(assignment.job)).toBe(0);
      leftOpen = await used();
      return trainTo(hub, assignment, say, moduleFiles("broken off"));
    }
    const sending = sendHalf(assignment);
    await expect.poll(() => open(assignment.job), { timeout: 10_000 }).toBe(1);
    await expect.poll(onTheirWay).toHaveLength(1);
    sending.destroy();
    throw new Error("the worker dies");
  };
  const job = await startJob(hub, trainRequest());
  expect(await ended(hub, job.id)).toMatchObject({ state: "succeeded" });
  expect(tries).toBe(2);
  expect(leftOpen).toBe(before);
  await expect.poll(onTheirWay).toEqual([]);
});

test("a job that is cancelled while a file comes keeps no room for it, and the file is refused when it is there", async () => {
  const before = await used();
  const blobs = numberOfBlobs();
  const begun = Promise.withResolvers<ClientRequest>();
  hub.worker.behaviour.work = async (assignment, _say, gone) => {
    const sending = sendHalf(assignment);
    await expect.poll(onTheirWay, { timeout: 10_000 }).toHaveLength(1);
    begun.resolve(sending);
    await once(gone, "abort");
  };
  const job = await startJob(hub, trainRequest());
  const sending = await begun.promise;
  expect(await used()).toBe(before + BYTES.length);
  expect((await ask(hub, "DELETE", `/v1/jobs/${job.id}`)).body).toMatchObject({ state: "cancelled" });
  expect(await used()).toBe(before);
  const answered = once(sending, "response");
  sending.end(BYTES.subarray(BYTES.length / 2));
  const [answer] = await answered;
  expect(JSON.parse(await text(answer))).toMatchObject({ code: "job-not-found" });
  expect(onTheirWay()).toEqual([]);
  expect(numberOfBlobs()).toBe(blobs);
});
