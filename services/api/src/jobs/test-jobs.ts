import {
  type EvaluateResult,
  type Evaluation,
  evaluateResultSchema,
  type Job,
  type JobAssignment,
  type JobMessage,
  type TrainResult,
  trainResultSchema,
} from "@modulehub/core";
import { type AskedHub, ask, digestOf, moduleFiles, publish, uploadBytes } from "../testing/test-hub.ts";
import { JOB_SETTINGS } from "./job-settings.ts";

/** Settings with which what was broken off is tried again at once. */
export const HASTY = { ...JOB_SETTINGS, firstWait: 5, longestWait: 20 };

export const DATA = "text,label\ngood,pos\nbad,neg\n";
export const DATA_SET = { digest: digestOf(DATA), name: "words.csv", reading: { format: "csv" } };

/** A publisher with a base and a data set. */
export async function prepare(hub: AskedHub, publisher = "acme"): Promise<void> {
  await ask(hub, "POST", "/v1/publishers", { id: publisher });
  const published = await publish(hub, `${publisher}/base`, moduleFiles(`base of ${publisher}`), {
    visibility: "public",
  });
  if (published.state !== "published") throw new Error(JSON.stringify(published));
  await uploadBytes(hub, publisher, Buffer.from(DATA));
}

/** A request for training, to be changed by a test. */
export const trainRequest = (change: Record<string, unknown> = {}) => ({
  kind: "train",
  publisher: "acme",
  base: "acme/base",
  dataSet: DATA_SET,
  settings: { steps: 10, seed: 7 },
  ...change,
});

const shares = { precision: 0.75, recall: 0.75, f1: 0.75 };
export const evaluationOf = (accuracy: number): Evaluation => ({
  target: "class",
  examples: 4,
  examplesDigest: digestOf("examples"),
  accuracy,
  logLoss: 0.5,
  classes: ["neg", "pos"].map((label) => ({ label, support: 2, ...shares })),
  macro: shares,
  micro: shares,
  confusions: [],
  mistakes: [{ id: "row 1", text: "a secret text", truth: "pos", predicted: "neg", score: 0.9 }],
  correct: "4A==",
});

const report = {
  examples: 4,
  kind: "text" as const,
  target: "class" as const,
  classes: ["neg", "pos"].map((label) => ({ label, counts: { train: 1, validation: 0, test: 1 } })),
  splits: { counts: { train: 2, validation: 0, test: 2 }, given: [] },
  duplicates: { all: 0, testInTrain: 0, otherLabel: 0 },
  ...{ emptyRows: 0, otherFiles: 0, faults: [], problems: [], warnings: [] },
};

export const trainResult = (base: { handle: string; digest: string }, accuracy = 0.75): TrainResult =>
  trainResultSchema.parse({
    kind: "train",
    base,
    data: report,
    ...{ features: 4, steps: 10, bestStep: 10, ended: "steps" },
    evaluations: { train: evaluationOf(1), test: evaluationOf(accuracy) },
    seconds: { embedding: 1, training: 1, total: 2 },
  });

export const evaluateResult = (
  module: { handle: string; digest: string },
  change: Partial<Evaluation> = {},
): EvaluateResult =>
  evaluateResultSchema.parse({
    ...{ kind: "evaluate", module, data: report, of: "all" },
    evaluation: { ...evaluationOf(0.75), ...change },
    seconds: { total: 1 },
  });

/** Sends what a worker made of a job. */
export const sendFile = (hub: AskedHub, { job, attempt }: JobAssignment, content: string) =>
  fetch(`${hub.url}/internal/jobs/${job}/files/${digestOf(content)}`, {
    method: "PUT",
    headers: { ...hub.workerToken, "modulehub-attempt": attempt, "content-type": "application/octet-stream" },
    body: content,
  });

/** What a worker does that trains and comes to a module of these files. */
export async function trainTo(
  hub: AskedHub,
  assignment: JobAssignment,
  say: (message: JobMessage) => void,
  files: Record<string, string>,
  accuracy?: number,
): Promise<void> {
  if (assignment.task.kind !== "train") throw new Error("another task");
  const made = [];
  for (const [path, content] of Object.entries(files)) {
    const sent = await sendFile(hub, assignment, content);
    if (sent.status !== 204) throw new Error(await sent.text());
    made.push({ path, size: Buffer.byteLength(content), digest: digestOf(content) });
  }
  say({ message: "result", result: trainResult(assignment.task.base, accuracy), files: made });
}

export const startJob = async (hub: AskedHub, request: unknown, headers = hub.admin): Promise<Job> => {
  const { status, body } = await ask<Job>(hub, "POST", "/v1/jobs", request, headers);
  if (status !== 202) throw new Error(JSON.stringify(body));
  return body;
};

export const readJobOf = async (hub: AskedHub, id: string): Promise<Job> =>
  (await ask<Job>(hub, "GET", `/v1/jobs/${id}`)).body;

/** Waits until something can be said of a job. */
export async function until(hub: AskedHub, id: string, holds: (job: Job) => boolean): Promise<Job> {
  for (let tries = 0; tries < 800; tries++) {
    const job = await readJobOf(hub, id);
    if (holds(job)) return job;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`within 20 seconds not seen: ${JSON.stringify(await readJobOf(hub, id))}`);
}

export const ended = (hub: AskedHub, id: string): Promise<Job> =>
  until(hub, id, ({ state }) => state !== "queued" && state !== "running");
