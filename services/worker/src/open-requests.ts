/** The requests under way, so that the worker can end after them. */
export class OpenRequests {
  readonly #open = new Set<object>();
  #ended: (() => void) | undefined;
  #draining = false;

  /** Whether no more requests are taken. */
  get draining(): boolean {
    return this.#draining;
  }

  begin(request: object): void {
    this.#open.add(request);
  }

  /** Idempotent: a request's end may be seen as an answer and as a closed connection. */
  end(request: object): void {
    this.#open.delete(request);
    if (this.#open.size === 0) this.#ended?.();
  }

  /** Takes no more requests; resolves when those under way have ended, or after `ms`. */
  async drain(ms: number): Promise<void> {
    this.#draining = true;
    if (this.#open.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = resolve;
    const overdue = setTimeout(resolve, ms);
    await promise;
    clearTimeout(overdue);
  }
}
