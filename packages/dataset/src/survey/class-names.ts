import { MAX_CLASSES, problem } from "@modulehub/core";

/** Names of classes, numbered as they come. */
export class ClassNames {
  readonly #indexes = new Map<string, number>();

  /** Throws `data-too-many-classes` for one more than a head can have. */
  indexOf(name: string): number {
    const known = this.#indexes.get(name);
    if (known !== undefined) return known;
    if (this.#indexes.size === MAX_CLASSES)
      throw problem(
        "data-too-many-classes",
        `There are more than ${MAX_CLASSES} classes. Is this the column of the labels?`,
      );
    const index = this.#indexes.size;
    this.#indexes.set(name, index);
    return index;
  }

  /** As they came. */
  all(): string[] {
    return [...this.#indexes.keys()];
  }
}

/** Classes in the order of a head's outputs: by number where all are numbers, else by UTF-16 code units. */
export function sortedClasses(names: readonly string[]): string[] {
  const numbers = names.every((name) => /^-?\d+(\.\d+)?$/.test(name));
  const byText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return names.toSorted((a, b) => (numbers ? Number(a) - Number(b) || byText(a, b) : byText(a, b)));
}
