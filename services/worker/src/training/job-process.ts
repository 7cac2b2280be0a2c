import { ProblemError, problem, type Tensor } from "@modulehub/core";
import { type ChildLimits, startChild } from "../engines/child-process.ts";
import { type Frame, readFrames, writeFrame } from "../engines/frames.ts";
import { residentBytes } from "../engines/resident-memory.ts";
import { diskFull } from "../modules/disk-full.ts";
import { type JobAnswer, type JobArgument, type JobWord, jobWordSchema } from "./job-messages.ts";

const WATCH_MS = 200;

/**
 * A job reads texts without end, each for a moment. Left to itself V8 lets them pile up, more the more there are: a job
 * on 50,000 rows of a kilobyte took 317 MB, one on 5,000 179. A small young generation, and an old one that is swept
 * when it has grown by a quarter, make it 176 and 155 (npm run bench -- training --only job-memory).
 */
const HEAP = ["--max-semi-space-size=2", "--heap-growing-percent=25"];

/** What a job's process may ask: each is answered with tensors, or fails with a problem. */
export type Asked = Extract<JobWord, { kind: "run" | "checkpoint" }>;
/** What it tells. */
export type Told = Exclude<JobWord, Asked | { kind: "result" | "problem" }>;

export interface JobListener {
  told(word: Told): void | Promise<void>;
  asked(word: Asked, tensors: Map<string, Tensor>): Promise<Map<string, Tensor>>;
}

/**
 * Does a job in a limited process of its own, at the lowest priority, and gives what it came to. The process is killed
 * when the signal is given. Throws the problem that the process came to; `job-memory` where it took more than it may,
 * `job-crashed` where it died of anything else, and the signal's reason.
 */
export function runJobProcess(
  argument: JobArgument,
  limits: ChildLimits,
  listener: JobListener,
  signal: AbortSignal,
): Promise<Extract<JobWord, { kind: "result" }>> {
  return new Promise((resolve, reject) => {
    const entry = new URL("./child/job-child.ts", import.meta.url);
    const { child, pipe, stderr } = startChild(entry, { ...argument }, limits, {
      flags: HEAP,
      idle: true,
    });
    let outcome: Extract<JobWord, { kind: "result" | "problem" }> | undefined;
    let fault: unknown;
    let tooLarge = false;
    const kill = (why?: unknown) => {
      fault ??= why;
      child.kill("SIGKILL");
    };
    const giveUp = () => kill(signal.reason);
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp, { once: true });
    const watch = setInterval(() => {
      if (residentBytes(child.pid) <= limits.memoryBytes) return;
      tooLarge = true;
      kill();
    }, WATCH_MS);
    const answer = (message: JobAnswer, tensors = new Map<string, Tensor>()) =>
      writeFrame(pipe, { message, tensors });
    // What it tells is dealt with in order; what it asks, as it comes.
    let telling: Promise<unknown> = Promise.resolve();
    const hear = ({ message, tensors }: Frame) => {
      const parsed = jobWordSchema.safeParse(message);
      if (!parsed.success) return kill(problem("job-crashed", "The job's process said what is not agreed."));
      const word = parsed.data;
      if (word.kind === "result" || word.kind === "problem") outcome ??= word;
      else if (word.kind === "run" || word.kind === "checkpoint")
        telling
          .then(() => listener.asked(word, tensors))
          .then((found) => answer({ kind: "done", id: word.id }, found))
          .catch((error: unknown) => {
            if (!(error instanceof ProblemError)) return kill(error);
            const { code, message: detail } = error;
            answer({ kind: "failed", id: word.id, code, detail });
          });
      else telling = telling.then(() => listener.told(word)).catch(kill);
    };
    // EPIPE when the process is gone: its exit says more.
    pipe.on("error", () => undefined);
    readFrames(pipe, hear, (error) => kill(problem("job-crashed", undefined, { cause: error })));
    const end = async (killedBy: string | null) => {
      clearInterval(watch);
      signal.removeEventListener("abort", giveUp);
      await telling;
      if (fault !== undefined) return reject(fault);
      if (outcome?.kind === "result") return resolve(outcome);
      if (outcome?.kind === "problem") return reject(problem(outcome.code, outcome.detail));
      reject(deathOf(killedBy, tooLarge, stderr(), limits));
    };
    child.once("error", () => void end(null));
    // `close` comes after the last frame was read.
    child.once("close", (_code, killedBy) => void end(killedBy));
  });
}

/** Why a process died that said nothing of it. */
function deathOf(
  signal: string | null,
  tooLarge: boolean,
  stderr: string,
  { memoryBytes }: ChildLimits,
): ProblemError {
  if (/\b(?:ENOSPC|EDQUOT)\b/.test(stderr)) return diskFull(new Error(stderr));
  const megabytes = Math.round(memoryBytes / 1024 ** 2);
  if (tooLarge || /bad_alloc|out of memory|Cannot allocate memory|allocation failed/i.test(stderr))
    return problem("job-memory", `The job took more than the ${megabytes} MB that jobs may.`);
  return problem("job-crashed", `The job's process ended${signal === null ? "" : ` by ${signal}`}.`, {
    cause: new Error(stderr),
  });
}
