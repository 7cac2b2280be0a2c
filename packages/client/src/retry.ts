import { setTimeout as sleep } from "node:timers/promises";
import { ProblemError } from "@modulehub/core";
import { UnexpectedAnswerError, UnreachableError } from "./connection-error.ts";

/**
 * What may be tried again. `safe`: doing it twice is the same as once. `unsent`: only what the hub surely
 * didn't do.
 */
export type RetryRule = "safe" | "unsent";

const ATTEMPTS = 5;
const FIRST_DELAY_MS = 200;
const LONGEST_DELAY_MS = 5_000;
const LONGEST_RETRY_AFTER_S = 60;

/**
 * Calls `attempt` until it succeeds, five times at most, with exponential back-off and full jitter in
 * between (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), or as long as the hub
 * said in `Retry-After`. What is not worth another try is thrown at once.
 */
export async function withRetries<T>(
  rule: RetryRule,
  attempt: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (failures === ATTEMPTS || signal?.aborted || !mayRetry(error, rule)) throw error;
      await sleep(delay(error, failures), undefined, { signal });
    }
  }
}

/** Whether trying again is allowed and has a chance. */
export function mayRetry(error: unknown, rule: RetryRule): boolean {
  if (error instanceof UnreachableError) return rule === "safe" || !error.sent;
  if (error instanceof UnexpectedAnswerError)
    return rule === "safe" && (error.status === 502 || error.status === 503 || error.status === 504);
  if (!(error instanceof ProblemError) || (error.retryAfter ?? 0) > LONGEST_RETRY_AFTER_S) return false;
  return error.status === 429 || (rule === "safe" && error.status === 503);
}

function delay(error: unknown, failures: number): number {
  if (error instanceof ProblemError && error.retryAfter !== undefined) return error.retryAfter * 1000;
  return Math.random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1));
}
