import {
  accuracyOf,
  type JobMessage,
  type JobProgress,
  type JobResult,
  type JobTask,
  ProblemError,
  parseModuleName,
  problem,
} from "@modulehub/core";
import type { Queries } from "../database/client.ts";
import { actingFor } from "../identity/acting-for.ts";
import type { Draft } from "../publish/draft.ts";
import { openDraft } from "../publish/open-draft.ts";
import { beginVerifying } from "../publish/transitions.ts";
import { underPresentName } from "../registry/module-moved.ts";
import { addLogLine } from "./job-log.ts";
import type { RunDeps } from "./run-job.ts";
import type { StoredJob } from "./stored-job.ts";
import {
  type Attempt,
  AttemptOver,
  fail,
  recordCheckpoint,
  recordProgress,
  recordReport,
  recordResult,
  succeed,
} from "./transitions.ts";

/** How often progress is written down, in milliseconds: for other processes, and for whoever asks later. */
const WRITE_EVERY = 2_000;

type Running = StoredJob & { attempt: string };
type Finished = Extract<JobMessage, { message: "result" }>;

/**
 * One try of a job by a worker: what it says is written down, and what it came to ends the job or becomes its draft.
 * Throws the problem that the worker came to, `job-timeout`, or AttemptOver.
 */
export async function attemptJob(
  deps: RunDeps,
  job: Running,
  task: JobTask,
  signal: AbortSignal,
): Promise<void> {
  const secondsLeft = Math.floor(deps.mostSeconds - job.spentMs / 1_000);
  if (secondsLeft < 1) throw timeIsUp(deps);
  const book = bookOf(deps, job);
  const late = AbortSignal.timeout(secondsLeft * 1_000);
  const assignment = { job: job.id, attempt: job.attempt, secondsLeft, task };
  let finished: Finished | undefined;
  try {
    for await (const message of deps.worker.work(assignment, AbortSignal.any([signal, late])))
      if (message.message === "result") finished = message;
      else await book.write(message);
  } catch (error) {
    signal.throwIfAborted();
    if (late.aborted) throw timeIsUp(deps);
    throw error;
  } finally {
    await book.close();
  }
  if (finished !== undefined) await finish(deps, job, finished);
}

const timeIsUp = ({ mostSeconds }: RunDeps): ProblemError =>
  problem("job-timeout", `The job took the ${mostSeconds} seconds that jobs may.`);

/** Writes down what a worker says on the way. */
function bookOf(deps: RunDeps, job: Running) {
  const { database, signals, metrics } = deps;
  let [written, latest] = [performance.now(), undefined as JobProgress | undefined];
  const writeProgress = async () => {
    const spent = performance.now() - written;
    written += spent;
    metrics.spent(job, latest?.stage ?? "waiting", spent / 1_000);
    await recordProgress(database, job, latest ?? { stage: "waiting" }, spent);
  };
  return {
    async write(message: Exclude<JobMessage, Finished>): Promise<void> {
      switch (message.message) {
        case "alive":
        case "progress": {
          const isNewStage = message.message === "progress" && message.progress.stage !== latest?.stage;
          // What was done in the last stage is that one's.
          if (isNewStage) await writeProgress();
          if (message.message === "progress") {
            metrics.progressed(job, latest, message.progress);
            latest = message.progress;
            signals.tell(job.id, { kind: "progress", progress: latest });
          }
          if (isNewStage || performance.now() - written > WRITE_EVERY) await writeProgress();
          return;
        }
        case "log": {
          await addLogLine(database.prisma, job.id, message.level, message.text);
          signals.tell(job.id, { kind: "log" });
          return;
        }
        case "report":
          requireKept(await recordReport(database, job, message.report));
          signals.tell(job.id, { kind: "changed" });
          return;
        case "checkpoint":
          requireKept(await recordCheckpoint(database, job, message.checkpoint));
          return;
        case "problem":
          throw ProblemError.fromDocument(message.problem);
      }
    },
    close: writeProgress,
  };
}

function requireKept(kept: boolean): void {
  if (!kept) throw new AttemptOver();
}

async function finish(deps: RunDeps, job: Running, { result, files }: Finished): Promise<void> {
  const { database } = deps;
  const low = tooLow(job, result);
  if (low !== undefined) {
    requireKept(await fail(database, job, low, result));
    return;
  }
  const target = job.request.kind === "train" ? job.request.publish : undefined;
  if (target === undefined) {
    requireKept(await succeed(database, job, result));
    return;
  }
  requireKept(await recordResult(database, job, result));
  await recordProgress(database, job, { stage: "publishing" }, 0);
  const principal = await actingFor(database.prisma, job.askedBy);
  const attempt: Attempt = job;
  const { version, aliases, visibility } = target;
  // In one transaction: from a draft that nobody verifies the job would wait for its end in vain.
  const also = (tx: Queries, draft: Draft) => beginVerifying(tx, deps.jobs, principal, draft);
  const draft = await underPresentName(parseModuleName(target.module), (name) =>
    openDraft(database, principal, name, { files, version, aliases, visibility, job: attempt, also }),
  );
  deps.draftEvents.tell(draft.id, { kind: "changed" });
}

/** Why a result is not good enough. */
function tooLow({ request }: StoredJob, result: JobResult): ProblemError | undefined {
  if (request.kind === "rank" || request.requireAccuracy === undefined) return undefined;
  const [evaluation, on] =
    result.kind === "train"
      ? ([result.evaluations.test ?? result.evaluations.validation, "test split"] as const)
      : result.kind === "evaluate"
        ? ([result.evaluation, "data set"] as const)
        : ([undefined, ""] as const);
  const accuracy = accuracyOf(evaluation);
  if (accuracy !== undefined && accuracy >= request.requireAccuracy) return undefined;
  return problem(
    "accuracy-too-low",
    accuracy === undefined
      ? "There is no test split to hold the required accuracy against."
      : `The accuracy on the ${on} is ${accuracy.toFixed(4)}, less than the required ${request.requireAccuracy}.`,
  );
}
