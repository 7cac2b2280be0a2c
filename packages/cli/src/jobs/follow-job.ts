import type { Hub, Job, JobEvent, JobProgress, RunEvent } from "@modulehub/client";
import { ProblemError } from "@modulehub/core";
import { type Context, print, say } from "../context.ts";
import { EXIT } from "../exit-code.ts";
import { Progress } from "../progress.ts";
import { reportText } from "./report-text.ts";
import { printResult, resultJson } from "./result-text.ts";

export interface FollowOptions {
  json?: boolean;
  /** Ctrl-C cancels the job; else it goes on. */
  cancelOnInterrupt?: boolean;
  /** Ends once the job is there. */
  detach?: boolean;
}

/**
 * Shows how far a job is until it has ended, and prints what it came to. Ctrl-C ends the watching; what becomes of the
 * job is an option. Throws the problem that a job failed with.
 *
 * @param kind of a job that is only made by `start`
 */
export async function followJob(
  context: Context,
  hub: Hub,
  options: FollowOptions,
  start: (signal: AbortSignal) => AsyncIterable<RunEvent | JobEvent>,
  kind?: Job["kind"],
): Promise<void> {
  const progress = new Progress(context.err);
  const story = new JobStory(context, progress, kind);
  const stop = new AbortController();
  let job: Job | undefined;
  const off = context.onInterrupt(() => stop.abort());
  try {
    for await (const event of start(stop.signal)) {
      if (event.kind === "created" || event.kind === "state") job = event.job;
      story.tell(event);
      if (event.kind === "created" && options.detach) break;
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    progress.clear();
    process.exitCode = EXIT.interrupted;
    return job === undefined ? undefined : await leave(context, hub, job, options);
  } finally {
    progress.clear();
    off();
  }
  if (job === undefined) throw new Error("a job was followed to its end without a state");
  if (options.detach && job.state === "queued")
    return print(context, options.json ? JSON.stringify({ job: job.id, state: job.state }) : job.id);
  ended(context, job, options);
}

async function leave(
  context: Context,
  hub: Hub,
  { id }: Job,
  { cancelOnInterrupt }: FollowOptions,
): Promise<void> {
  if (!cancelOnInterrupt)
    return say(
      context,
      `The job goes on. Watch it: modulehub jobs watch ${id}; end it: modulehub jobs cancel ${id}`,
    );
  const { state } = await hub.cancelJob(id);
  say(context, `Job ${id} is ${state}.`);
}

/** Prints what a job came to that has ended. Throws the problem that it failed with. */
export function ended(context: Context, job: Job, { json }: FollowOptions): void {
  if (job.result) {
    if (json) print(context, JSON.stringify(resultJson(job.id, job.result)));
    else printResult(context, job.result);
  }
  if (job.problem) throw ProblemError.fromDocument(job.problem);
  if (job.state !== "cancelled") return;
  process.exitCode = EXIT.refused;
  say(context, `modulehub: job ${job.id} was cancelled.`);
}

/** What is told of a job on its way: each thing once, though several events may say it. */
class JobStory {
  readonly #context: Context;
  readonly #progress: Progress;
  readonly #kind: Job["kind"] | undefined;
  readonly #warnings = new Set<string>();
  /** An error of the log that the job's end may say as well. */
  #error: string | undefined;
  #attempt = 0;
  #stage = 0;

  constructor(context: Context, progress: Progress, kind: Job["kind"] | undefined) {
    this.#context = context;
    this.#progress = progress;
    this.#kind = kind;
  }

  tell(event: RunEvent | JobEvent): void {
    const progress = this.#progress;
    switch (event.kind) {
      case "report":
        progress.clear();
        for (const line of reportText(event.report, this.#kind)) say(this.#context, line);
        for (const warning of event.report.warnings) this.#warnings.add(warning);
        break;
      case "packing":
        progress.phase("Packing the folder");
        break;
      case "hashing":
        progress.bytes("Hashing", event.hashedBytes, event.totalBytes, "");
        break;
      case "sending":
        progress.bytes("Sending", event.sentBytes, event.totalBytes, "");
        break;
      case "created":
        progress.note(`Job ${event.job.id}`);
        break;
      case "state":
        this.#tellState(event.job);
        break;
      case "progress":
        this.#stage = stageNumber(event.progress);
        showProgress(progress, event.progress);
        break;
      case "log":
        this.#tellLine(event.line);
    }
  }

  /** What a state says of progress was written down a while ago: it is news only where nothing later was told. */
  #tellState({ progress, state, attempts, problem }: Job): void {
    if (problem?.detail !== this.#error) this.#tellError();
    if (attempts !== this.#attempt) this.#stage = 0;
    this.#attempt = attempts;
    if (!progress) return void (state === "queued" && this.#progress.phase("Queued"));
    if (stageNumber(progress) <= this.#stage) return;
    this.#stage = stageNumber(progress);
    showProgress(this.#progress, progress);
  }

  #tellLine({ level, message }: Extract<JobEvent, { kind: "log" }>["line"]): void {
    // What is no news to read: progress says it as well.
    if (level === "info" || this.#warnings.has(message)) return;
    this.#tellError();
    if (level === "error") this.#error = message;
    else this.#progress.note(`${level}: ${message}`);
  }

  #tellError(): void {
    if (this.#error !== undefined) this.#progress.note(`error: ${this.#error}`);
    this.#error = undefined;
  }
}

/** From 1 up in the order in which a job comes to its stages; 0 for one that is not known. */
const stageNumber = ({ stage }: JobProgress): number => Object.keys(STAGES).indexOf(stage) + 1;

const STAGES: Readonly<Record<string, string>> = {
  waiting: "Waiting for a worker",
  fetching: "Fetching",
  reading: "Reading",
  embedding: "Embedding",
  training: "Training",
  evaluating: "Evaluating",
  composing: "Composing the module",
  publishing: "Publishing",
};

function showProgress(progress: Progress, now: JobProgress): void {
  const name = `${STAGES[now.stage] ?? now.stage}${now.of === undefined ? "" : ` ${now.of}`}`;
  const { done, total } = now;
  if (now.stage === "fetching" && done !== undefined && total !== undefined)
    progress.bytes(name, done, total, "");
  else if (done !== undefined && total !== undefined) progress.steps(name, done, total, detailText(now));
  else progress.phase(name);
}

function detailText(now: JobProgress): string {
  const parts = [
    now.loss === undefined ? "" : `loss ${now.loss.toFixed(4)}`,
    now.validationLoss === undefined ? "" : `validation loss ${now.validationLoss.toFixed(4)}`,
    now.validationAccuracy === undefined ? "" : `accuracy ${now.validationAccuracy.toFixed(4)}`,
    !now.examplesPerSecond ? "" : `${Math.round(now.examplesPerSecond)} examples/s`,
  ];
  return parts.filter((part) => part !== "").join("  ");
}
