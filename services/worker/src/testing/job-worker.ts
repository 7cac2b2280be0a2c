import { createHash, randomUUID } from "node:crypto";
import {
  type DataReadingInput,
  type Digest,
  dataReadingSchema,
  digestOfHex,
  type JobMessage,
  type JobTask,
  jobMessageSchema,
  parseManifest,
  trainingSettingsSchema,
  type VersionFile,
  versionContent,
  WORKER_JOB_ROUTE,
} from "@modulehub/core";
import { request } from "undici";
import type { z } from "zod";
import type { WorkerSettings } from "../worker.ts";
import type { TestModule } from "./modules.ts";
import { TOKEN, testWorker } from "./test-worker.ts";

type Finished = Extract<JobMessage, { message: "result" }>;

/** A worker that listens, and how jobs are given to it. */
export async function jobWorker(settings: Partial<WorkerSettings> = {}) {
  const worker = await testWorker(settings);
  const url = await worker.app.listen({ host: "127.0.0.1", port: 0 });

  const work = (task: JobTask, secondsLeft?: number) => workOn({ url, token: TOKEN }, task, secondsLeft);

  return {
    ...worker,
    url,
    work,
    /** All that is said of a job, but that the worker is alive, which it may say at any moment. */
    async wholeOf(task: JobTask, secondsLeft?: number): Promise<JobMessage[]> {
      const all: JobMessage[] = [];
      for await (const message of work(task, secondsLeft)) if (message.message !== "alive") all.push(message);
      return all;
    },
    /** What a job comes to. Throws with its problem where it comes to none. */
    async resultOf(task: JobTask): Promise<Finished> {
      const last = (await this.wholeOf(task)).at(-1);
      if (last?.message !== "result") throw new Error(JSON.stringify(last));
      return last;
    },
    /** Bytes as a data set. */
    data(content: string | Uint8Array, reading: DataReadingInput) {
      const { dataSet, bytes } = dataSetOf(content, reading);
      worker.source.blobs.set(dataSet.digest, bytes);
      return dataSet;
    },
    /** What a job made, as a module that the worker can serve. */
    madeModule({ files }: Pick<Finished, "files">): TestModule {
      const { blobs } = worker.source;
      const listed = files.map((file): VersionFile => ({ ...file, role: "asset" }));
      const manifest = parseManifest(blobs.get(files.find(({ path }) => path === "module.json")!.digest)!);
      const content = versionContent(listed, manifest);
      const digest: Digest = digestOfHex(createHash("sha256").update(content).digest("hex"));
      return worker.source.add({ digest, files: listed, blobs: new Map(), batching: {} });
    },
  };
}

/** What a worker says of a job. Ending the iteration closes the connection. */
export async function* workOn(
  { url, token }: { url: string; token: string },
  task: JobTask,
  secondsLeft = 120,
): AsyncGenerator<JobMessage> {
  const gone = new AbortController();
  try {
    const { body, statusCode } = await request(`${url}${WORKER_JOB_ROUTE}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ job: randomUUID(), attempt: randomUUID(), secondsLeft, task }),
      signal: gone.signal,
    });
    if (statusCode !== 200) throw new Error(await body.text());
    let rest = "";
    for await (const chunk of body) {
      const lines = (rest + String(chunk)).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield jobMessageSchema.parse(JSON.parse(line));
    }
  } finally {
    gone.abort();
  }
}

/** Bytes as a data set. */
export function dataSetOf(content: string | Uint8Array, reading: DataReadingInput) {
  const bytes = Buffer.from(content);
  const digest = digestOfHex(createHash("sha256").update(bytes).digest("hex"));
  const dataSet = { digest, name: "data", size: bytes.byteLength, reading: dataReadingSchema.parse(reading) };
  return { dataSet, bytes };
}

/** A task of training with settings that may leave out what has a default. */
export const trainTask = (
  base: TestModule,
  dataSet: Extract<JobTask, { kind: "train" }>["dataSet"],
  settings: z.input<typeof trainingSettingsSchema>,
  rest: Partial<Extract<JobTask, { kind: "train" }>> = {},
): Extract<JobTask, { kind: "train" }> => ({
  kind: "train",
  base: { handle: "test/base/1", digest: base.digest },
  dataSet,
  settings: trainingSettingsSchema.parse(settings),
  ...rest,
});
