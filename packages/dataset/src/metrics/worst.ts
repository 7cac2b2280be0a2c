/** Mistakes that an evaluation tells. */
export const MISTAKES = 20;

/**
 * The few of many items that are worst, by a number; of equally bad ones those that came first. Keeps no more than it
 * gives: a heap with the least bad of the kept at its root.
 */
export class Worst<T> {
  readonly #most: number;
  readonly #heap: { badness: number; order: number; item: T }[] = [];
  #order = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** `item` is made only if it is kept. */
  offer(badness: number, item: () => T): void {
    const order = this.#order++;
    const heap = this.#heap;
    if (heap.length < this.#most) {
      heap.push({ badness, order, item: item() });
      this.#up(heap.length - 1);
    } else if (heap[0] && badness > heap[0].badness) {
      heap[0] = { badness, order, item: item() };
      this.#down(0);
    }
  }

  /** Worst first. */
  list(): T[] {
    return this.#heap.toSorted((a, b) => b.badness - a.badness || a.order - b.order).map(({ item }) => item);
  }

  /** Whether one is to leave before another. */
  #lighter(a: number, b: number): boolean {
    const [one, other] = [this.#heap[a]!, this.#heap[b]!];
    return one.badness < other.badness || (one.badness === other.badness && one.order > other.order);
  }

  #swap(a: number, b: number): void {
    [this.#heap[a], this.#heap[b]] = [this.#heap[b]!, this.#heap[a]!];
  }

  #up(from: number): void {
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!this.#lighter(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #down(from: number): void {
    for (let at = from; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < this.#heap.length && this.#lighter(child, least)) least = child;
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }
}
