import { type DataReading, type DataReport, SPLITS } from "@modulehub/core";

/** Classes of which one has so many times more examples than another are told. */
const UNEVEN = 10;

/** What may surprise in a data set: a sentence each. */
export function warningsOf(report: DataReport, reading: DataReading): string[] {
  const { duplicates, emptyRows, classes, splits, numbers } = report;
  const warnings: string[] = [];
  const warn = (when: boolean, text: string) => {
    if (when) warnings.push(text);
  };
  const skipped = report.faults.reduce((sum, { count }) => sum + count, 0);
  warn(emptyRows > 0, `${some(emptyRows, "row is", "rows are")} empty and left out.`);
  warn(
    reading.faulty === "skip" && skipped > 0,
    `${some(skipped, "example", "examples")} can't be used and are left out.`,
  );
  warn(
    duplicates.testInTrain > 0,
    `Examples of the test split that are in train or validation too: ${duplicates.testInTrain}. Its figures will be too good.`,
  );
  warn(
    duplicates.otherLabel > 0,
    `${some(duplicates.otherLabel, "example is", "examples are")} there twice with different labels.`,
  );
  for (const split of SPLITS.filter((each) => splits.counts[each] > 0)) {
    const missing = classes?.filter(({ counts }) => counts[split] === 0).length ?? 0;
    warn(
      split !== "train" && missing > 0,
      `The ${split} split has no examples of ${some(missing, "class", "classes")}.`,
    );
  }
  warn(
    splits.counts.test === 0,
    "There is no test split, so nothing says how good the result is on other data.",
  );
  const train = classes?.map(({ counts }) => counts.train) ?? [];
  const most = Math.max(...train);
  const least = Math.min(...train);
  warn(
    report.target === "class" && least > 0 && most >= UNEVEN * least,
    `The largest class has ${Math.round(most / least)} times as many examples as the smallest; class weights may help.`,
  );
  warn(numbers !== undefined && numbers.deviation === 0, "All numbers of the train split are the same.");
  return warnings;
}

const some = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;
