/** Joins work that reports as it goes with a consumer that reads one event at a time, in order. */
export class EventChannel<T> {
  readonly #events: T[] = [];
  #ended = false;
  #error: unknown;
  #failed = false;
  #wake: () => void = () => {};

  push(event: T): void {
    this.#events.push(event);
    this.#wake();
  }

  /** After this the consumer gets what is left, then the end, or the error. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  fail(error: unknown): void {
    this.#error = error;
    this.#failed = true;
    this.end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void> {
    for (;;) {
      for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift()) yield event;
      if (this.#failed) throw this.#error;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        // What came between the look above and here must not be slept over.
        if (this.#events.length > 0 || this.#ended) resolve();
      });
    }
  }
}

/**
 * The events that work tells of as it goes, then its end or its error. Stopping to read them aborts the signal that the
 * work is given, as the outer one does, and waits for it.
 */
export async function* eventsOf<T>(
  outer: AbortSignal | undefined,
  work: (push: (event: T) => void, signal: AbortSignal) => Promise<void>,
): AsyncGenerator<T, void> {
  const stop = new AbortController();
  const signal = outer ? AbortSignal.any([stop.signal, outer]) : stop.signal;
  const channel = new EventChannel<T>();
  const done = work((event) => channel.push(event), signal).then(
    () => channel.end(),
    (error: unknown) => channel.fail(error),
  );
  try {
    yield* channel;
  } finally {
    stop.abort();
    await done;
  }
}
