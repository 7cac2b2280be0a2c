import type { DataReading, DataReport } from "@modulehub/core";

/** Classes of which one has so many times more examples than another are told. */
const UNEVEN = 10;

/** What may surprise in a data set, whatever it is for: a sentence each. */
export function warningsOf(report: DataReport, reading: DataReading): string[] {
  const { duplicates, emptyRows } = report;
  const skipped = report.faults.reduce((sum, { count }) => sum + count, 0);
  const { warnings, warn } = listOfWarnings();
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
  return warnings;
}

/** What may surprise in what is trained on it. */
export function trainingWarnings(report: DataReport): string[] {
  const { classes, splits, numbers } = report;
  const { warnings, warn } = listOfWarnings();
  for (const split of ["validation", "test"] as const) {
    const missing = classes?.filter(({ counts }) => counts[split] === 0).length ?? 0;
    warn(
      splits.counts[split] > 0 && missing > 0,
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

function listOfWarnings() {
  const warnings: string[] = [];
  const warn = (when: boolean, text: string) => {
    if (when) warnings.push(text);
  };
  return { warnings, warn };
}

const some = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;
