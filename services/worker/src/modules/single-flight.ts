/** One piece of work a key at a time: who asks while it is under way waits for the same result. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>();

  /** Whether work on a key is under way. */
  has(key: string): boolean {
    return this.#flights.has(key);
  }

  run(key: string, work: () => Promise<T>): Promise<T> {
    const flying = this.#flights.get(key);
    if (flying) return flying;
    const flight = work().finally(() => this.#flights.delete(key));
    this.#flights.set(key, flight);
    return flight;
  }
}
