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
 * Calls `attempt` until it succeeds, with pauses in between (`retryDelay`), as long as no five tries in a row
 * have failed. What is not worth another try is thrown at once. An attempt that gets further than the ones
 * before calls the function it is given, and the count begins again.
 */
export async function withRetries<T>(
  rule: RetryRule,
  attempt: (progressed: () => void) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  let failures = 0;
  const progressed = () => {
    failures = 0;
  };
  for (;;) {
    try {
      return await attempt(progressed);
    } catch (error) {
      failures += 1;
      if (failures === ATTEMPTS || signal?.aborted || !mayRetry(error, rule)) throw error;
      await pause(retryDelay(error, failures), signal);
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

/**
 * Milliseconds until the next try: what the hub said in `Retry-After`, else exponential back-off with full jitter
 * (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
 */
export function retryDelay(error: unknown, failures: number): number {
  if (error instanceof ProblemError && error.retryAfter !== undefined) return error.retryAfter * 1000;
  return Math.random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1));
}

/** Waits so many milliseconds; rejects with the signal's reason when it is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
