import { type DataReport, SPLITS } from "@modulehub/core";
import type { ExampleColumns } from "./example-columns.ts";
import type { SplitsOfExamples } from "./splits.ts";

const TEST = SPLITS.indexOf("test");

/** Counts examples whose content is there twice; sorts their digests, and keeps no more than an index each. */
export function duplicatesOf(
  columns: ExampleColumns,
  { of }: SplitsOfExamples,
  target: DataReport["target"],
): DataReport["duplicates"] {
  const order = Uint32Array.from({ length: columns.count }, (_, at) => at).sort(
    (a, b) => columns.digest(a) - columns.digest(b) || a - b,
  );
  const labelOf = (at: number) =>
    target === "labels" ? columns.labels(at).toSorted().join() : columns.target(at);
  const found = { all: 0, testInTrain: 0, otherLabel: 0 };
  for (let from = 0, to = 0; from < order.length; from = to) {
    const first = order[from]!;
    for (to = from + 1; to < order.length && columns.digest(order[to]!) === columns.digest(first); ) to += 1;
    if (to - from === 1) continue;
    const same = order.subarray(from, to);
    const inTest = same.filter((at) => of[at] === TEST).length;
    const label = labelOf(first);
    found.all += same.length - 1;
    if (inTest < same.length) found.testInTrain += inTest;
    found.otherLabel += same.filter((at) => labelOf(at) !== label).length;
  }
  return found;
}
