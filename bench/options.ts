/** What a bench gives: numbers by name. */
export type Figures = Record<string, number>;

export interface BenchOptions {
  /** Parts to run, separated by commas; default all. */
  only?: string | undefined;
  /** Pairs of a measurement and its baseline. */
  pairs?: number | undefined;
  /** Small sets, to see that everything works. */
  quick?: boolean | undefined;
  /** How often something is repeated, where the bench says what. */
  count?: number | undefined;
  /** Servers that `serving` compares the worker with, separated by commas; default all. */
  rivals?: string | undefined;
  /** The Large Movie Review Dataset, as aclImdb.tar.gz. */
  imdb?: string | undefined;
  /** A folder with a folder of photos for each of two classes. */
  photos?: string | undefined;
}

/** The parts that were asked for, in their own order. Throws a RangeError for a name that there isn't. */
export function namesOf(only: string | undefined, known: readonly string[]): string[] {
  if (only === undefined) return [...known];
  const asked = only.split(",");
  const unknown = asked.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new RangeError(`There is no ${unknown.join(", ")}; there are ${known.join(", ")}.`);
  return known.filter((name) => asked.includes(name));
}
