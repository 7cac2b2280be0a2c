import type { DataReport } from "@modulehub/core";
import { SPLITS, type Split, type SplitCounts } from "@modulehub/core";
import type { ExampleColumns } from "./example-columns.ts";
import type { SplitsOfExamples } from "./splits.ts";

/** No examples anywhere. */
export const noCounts = (): Record<Split, number> => ({ train: 0, validation: 0, test: 0 });

/** How many examples each split has. */
export function splitCounts({ of }: SplitsOfExamples): SplitCounts {
  const counts = noCounts();
  for (const split of of) counts[SPLITS[split]!] += 1;
  return counts;
}

/** How many examples of each split every class, or label, has; in the order of `classes`. */
export function classCounts(
  columns: ExampleColumns,
  { of }: SplitsOfExamples,
  target: "class" | "labels",
  classes: readonly string[],
): NonNullable<DataReport["classes"]> {
  const counts = columns.names.all().map(noCounts);
  for (let at = 0; at < columns.count; at++) {
    const split = SPLITS[of[at]!]!;
    for (const label of target === "class" ? [columns.target(at)] : columns.labels(at))
      counts[label]![split] += 1;
  }
  const byName = new Map(columns.names.all().map((name, index) => [name, counts[index]!]));
  return classes.map((label) => ({ label, counts: byName.get(label) ?? noCounts() }));
}

/** What the numbers of the train split are like; undefined where it is empty. */
export function numbersOf(columns: ExampleColumns, { of }: SplitsOfExamples): DataReport["numbers"] {
  const found = {
    count: 0,
    least: Number.POSITIVE_INFINITY,
    most: Number.NEGATIVE_INFINITY,
    mean: 0,
    squares: 0,
  };
  for (let at = 0; at < columns.count; at++) {
    if (SPLITS[of[at]!] !== "train") continue;
    const value = columns.target(at);
    found.count += 1;
    found.least = Math.min(found.least, value);
    found.most = Math.max(found.most, value);
    // Welford's update keeps the sum of squares exact where the mean is large.
    const before = value - found.mean;
    found.mean += before / found.count;
    found.squares += before * (value - found.mean);
  }
  const { count, least, most, mean, squares } = found;
  return count === 0 ? undefined : { least, mean, deviation: Math.sqrt(squares / count), most };
}
