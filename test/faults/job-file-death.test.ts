import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPostgresql } from "@modulehub/api/testing/postgresql-server";
import { afterEach, expect, test } from "vitest";
import { ended, prepare, startJob, trainRequest, trainTo } from "../../services/api/src/jobs/test-jobs.ts";
import { startFakeWorker } from "../../services/api/src/testing/fake-worker.ts";
import { ask, digestOf, moduleFiles } from "../../services/api/src/testing/test-hub.ts";
import { apiPart, WORKER_TOKEN } from "./parts/processes.ts";

/** A hub that dies while a worker sends it a file of a job: nobody goes on with it, and nothing of it stays. */

const SIZE = 4_000_000;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

test.each(["embedded", "postgresql"] as const)(
  "what was on its way when the API was killed is gone when the job goes on (%s)",
  async (kind) => {
    const database = kind === "postgresql" ? await startPostgresql() : undefined;
    if (kind === "postgresql" && database === undefined) {
      console.info("A job's file on PostgreSQL is not tested: it is not installed.");
      return;
    }
    ends.push(() => database?.stop());
    const data = mkdtempSync(join(tmpdir(), "modulehub-job-file-"));
    ends.push(() => rmSync(data, { recursive: true, force: true, maxRetries: 5 }));
    const worker = await startFakeWorker(WORKER_TOKEN);
    ends.push(() => worker.close());
    const api = apiPart("api", {
      data,
      workerUrl: worker.url,
      ...(database && { databaseUrl: database.url }),
    });
    ends.push(() => api.kill());
    await api.start();
    const hub = {
      get url() {
        return api.url();
      },
      get admin() {
        return { authorization: `Bearer ${api.token()}` };
      },
      workerToken: { authorization: `Bearer ${WORKER_TOKEN}` },
    };
    await prepare(hub);
    const used = async () => {
      const { status, body } = await ask<{ used: number }>(hub, "GET", "/v1/publishers/acme/quota");
      return status === 200 ? body.used : undefined;
    };
    const before = await used();

    // Half of a checkpoint comes, and no more.
    worker.behaviour.work = async ({ job, attempt }, _say, gone) => {
      const bytes = Buffer.alloc(SIZE, "checkpoint ");
      const sending = request(`${hub.url}/internal/jobs/${job}/files/${digestOf(bytes)}`, {
        method: "PUT",
        headers: {
          ...hub.workerToken,
          "modulehub-attempt": attempt,
          "content-type": "application/octet-stream",
          "content-length": SIZE,
        },
      });
      sending.on("error", () => undefined);
      sending.write(bytes.subarray(0, SIZE / 2));
      await once(gone, "abort");
    };
    const job = await startJob(hub, trainRequest());
    await expect.poll(used, { timeout: 20_000 }).toBe(before! + SIZE);
    const onTheirWay = () => readdirSync(join(data, "uploads"));
    await expect.poll(onTheirWay, { timeout: 20_000 }).toHaveLength(1);

    await api.kill();
    let usedByNextTry: number | undefined;
    let leftAtNextTry: string[] | undefined;
    worker.behaviour.work = async (assignment, say) => {
      usedByNextTry = await used();
      leftAtNextTry = onTheirWay();
      await trainTo(hub, assignment, say, moduleFiles("made"));
    };
    await api.start();
    // On PostgreSQL, once the queue has noticed that who worked on it is dead.
    await expect.poll(() => usedByNextTry, { timeout: 180_000, interval: 200 }).toBe(before);
    expect(leftAtNextTry).toEqual([]);
    expect(await ended(hub, job.id)).toMatchObject({ state: "succeeded" });
    expect(await used()).toBe(before);
    expect(onTheirWay()).toEqual([]);
  },
  240_000,
);
