import { type ProblemDocument, problem, type Split } from "@modulehub/core";

/** Places that are told. */
const PLACES = 5;

/** Finds examples that are in no split where others are: nobody can tell what is meant with them. */
export class Strays {
  #given = 0;
  #strays = 0;
  readonly #first: string[] = [];

  see(id: string, split: Split | undefined): void {
    if (split !== undefined) {
      this.#given += 1;
      return;
    }
    this.#strays += 1;
    if (this.#first.length < PLACES) this.#first.push(id);
  }

  problems(): ProblemDocument[] {
    if (this.#given === 0 || this.#strays === 0) return [];
    const errors = this.#first.map((id) => ({ path: id, message: "is in no split" }));
    const who = this.#strays === 1 ? "1 example is" : `${this.#strays} examples are`;
    return [problem("data-split-invalid", `${who} in no split, though others are.`, { errors }).toDocument()];
  }
}
