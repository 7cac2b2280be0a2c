import { type DataFault, PROBLEMS, type ProblemDocument, problem } from "@modulehub/core";
import type { Fault } from "../row.ts";

/** Places that are told of each kind of fault. */
const PLACES = 5;

/** Counts what can't be used, by its code. */
export class Faults {
  readonly #byCode = new Map<Fault["code"], Required<Pick<DataFault, "count" | "places">>>();

  add({ id, code, message }: Fault): void {
    const entry = this.#byCode.get(code) ?? { count: 0, places: [] };
    entry.count += 1;
    if (entry.places.length < PLACES) entry.places.push({ id, message });
    this.#byCode.set(code, entry);
  }

  report(): DataFault[] {
    return [...this.#byCode].map(([code, { count, places }]) => ({ code, count, places }));
  }

  /** As refusals, each with its first places. */
  problems(): ProblemDocument[] {
    return [...this.#byCode].map(([code, { count, places }]) => {
      const errors = places.map(({ id, message }) => ({ path: id, message }));
      const what = count === 1 ? "1 example can't be used" : `${count} examples can't be used`;
      return problem(code, `${PROBLEMS[code].title} ${what}.`, { errors }).toDocument();
    });
  }
}
