import { Slots } from "./slots.ts";

/**
 * Does the work for all items, so many at once. The first that fails stops the others, and is thrown when they
 * have stopped.
 */
export async function runAll<T>(
  items: readonly T[],
  atOnce: number,
  outer: AbortSignal,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([outer, stop.signal]);
  const slots = new Slots(atOnce);
  let first: { error: unknown } | undefined;
  const one = async (item: T) => {
    signal.throwIfAborted();
    await work(item, signal);
  };
  await Promise.all(
    items.map((item) =>
      slots
        .run(() => one(item))
        .catch((error: unknown) => {
          first ??= { error };
          stop.abort();
        }),
    ),
  );
  if (first) throw first.error;
}
