interface Flight<T> {
  readonly result: Promise<T>;
  readonly stop: AbortController;
  waiters: number;
}

/** One piece of work a key at a time: who asks while it is under way waits for the same result. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /** Whether work on a key is under way. */
  has(key: string): boolean {
    return this.#flights.has(key);
  }

  /**
   * The result of the work that is under way, begun where none is. Throws what the work throws.
   *
   * @param work told by its signal that nobody waits for it any more
   * @param signal of this caller alone: it stops waiting, and its reason is thrown; others go on
   */
  async run(key: string, work: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const known = this.#flights.get(key);
    const flight = known && !known.stop.signal.aborted ? known : this.#begin(key, work, known);
    flight.waiters += 1;
    const left = Promise.withResolvers<never>();
    const leave = () => left.reject(signal?.reason);
    signal?.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([flight.result, left.promise]);
    } finally {
      signal?.removeEventListener("abort", leave);
      flight.waiters -= 1;
      if (flight.waiters === 0) flight.stop.abort();
    }
  }

  /** @param abandoned work on the key that was told to stop, and may not have stopped yet */
  #begin(key: string, work: (signal: AbortSignal) => Promise<T>, abandoned?: Flight<T>): Flight<T> {
    const stop = new AbortController();
    const start = async (): Promise<T> => {
      await abandoned?.result.catch(() => undefined);
      return work(stop.signal);
    };
    const result = start().finally(() => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    });
    // Where nobody waits any more, nobody hears how it ended.
    result.catch(() => undefined);
    const flight: Flight<T> = { result, stop, waiters: 0 };
    this.#flights.set(key, flight);
    return flight;
  }
}
