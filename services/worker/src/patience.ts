import type { Submission } from "./scheduler/job.ts";

/** How long somebody waits: while they are there, and until their deadline; work in the background has no hurry. */
export type Patience = Partial<Pick<Submission, "signal" | "deadline" | "priority">>;

/**
 * What a promise gives, if that comes while somebody waits for it. Throws the signal's reason, and `late()` at the
 * deadline; the work behind the promise is not stopped by that.
 */
export async function awaitWithin<T>(
  coming: Promise<T>,
  { signal, deadline }: Patience,
  late: () => Error,
): Promise<T> {
  const over = Promise.withResolvers<never>();
  const leave = () => over.reject(signal?.reason);
  if (signal?.aborted) leave();
  signal?.addEventListener("abort", leave, { once: true });
  const timer =
    deadline === undefined
      ? undefined
      : setTimeout(() => over.reject(late()), Math.max(0, deadline - performance.now()));
  try {
    return await Promise.race([over.promise, coming]);
  } finally {
    signal?.removeEventListener("abort", leave);
    clearTimeout(timer);
  }
}
