import { createHash } from "node:crypto";
import { binaryBytes, ProblemError, problem } from "@modulehub/core";
import { EngineDied, type EngineExit } from "../engines/engine.ts";
import type { Quarantine } from "../engines/quarantine.ts";
import type { Job } from "./job.ts";

/**
 * What follows when a run fails. Mates never answer for one another: the items of a batch run again one by one. An
 * engine may also be killed from outside, or to make room: one death is not held against an item that ran alone.
 */

/** Whether a batch that failed this way is to be run again, item by item. */
export const mayBeOneOfThem = (error: unknown): boolean =>
  error instanceof EngineDied || error instanceof ProblemError;

/** Whether an item that failed alone runs once more; counts the death. */
export function runsAgain(job: Job, error: unknown): boolean {
  if (!(error instanceof EngineDied) || !isRepeatable(error.exit)) return false;
  job.deaths += 1;
  return job.deaths === 1;
}

/** Notes an engine's death by an item that ran alone and won't run again. */
export function blameItem(quarantine: Quarantine, job: Job, error: unknown): void {
  if (!(error instanceof EngineDied) || error.during !== "run" || error.exit.kind === "killed") return;
  const { lane, submission } = job;
  quarantine.blame(lane.target.module.digest, { input: hashOf(job), caller: submission.caller });
}

/** Opens a session; an engine that dies of it is tried once more, then blamed on the module. Throws problems. */
export async function openTwice(
  quarantine: Quarantine,
  digest: string,
  open: () => Promise<void>,
): Promise<void> {
  for (let attempt = 1; ; attempt++)
    try {
      await open();
      return;
    } catch (error) {
      if (!(error instanceof EngineDied)) throw error;
      if (attempt === 1 && isRepeatable(error.exit)) continue;
      if (error.during === "load" && error.exit.kind !== "killed")
        quarantine.blame(digest, { input: "load", caller: "" });
      throw asError(error);
    }
}

/** What a caller is told. */
export function asError(error: unknown): Error {
  if (error instanceof EngineDied) return deathProblem(error);
  return error instanceof Error ? error : new Error(String(error));
}

const isRepeatable = ({ kind }: EngineExit): boolean => kind === "crash" || kind === "killed";

const DEATHS: Record<EngineExit["kind"], () => ProblemError> = {
  timeout: () => problem("deadline-exceeded", "The module ran longer than it may."),
  memory: () => problem("out-of-memory", "The module took more memory than one engine may."),
  killed: () =>
    problem("worker-unavailable", "The engine was ended while it worked; try again.", { retryAfter: 1 }),
  crash: () => problem("module-crashed"),
};

function deathProblem(error: EngineDied): ProblemError {
  if (error.during === "start" && error.exit.kind !== "killed")
    return problem("worker-unavailable", "No engine could be started.", { retryAfter: 5, cause: error });
  return DEATHS[error.exit.kind]();
}

/** Tells inputs apart. */
function hashOf({ feeds }: Job): string {
  const hash = createHash("sha256");
  for (const [name, tensor] of feeds)
    hash.update(`${name} ${tensor.dtype} ${tensor.shape}\n`).update(binaryBytes(tensor));
  return hash.digest("hex");
}
