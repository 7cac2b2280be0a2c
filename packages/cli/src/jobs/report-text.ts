import type { DataReport, JobKind } from "@modulehub/core";
import { oneLine } from "../listing/table.ts";

/** Classes that are told one by one. */
const CLASSES = 20;

type Counts = DataReport["splits"]["counts"];

/**
 * A report as lines for people.
 *
 * @param use what is done with the data: training takes splits, an evaluation one of them or all, a rank all
 */
export function* reportText(report: DataReport, use: JobKind = "train"): Generator<string> {
  const { counts } = report.splits;
  const one = report.kind === "text" ? "text" : "image";
  const examples = `${report.examples} ${report.examples === 1 ? one : `${one}s`}`;
  const used = ({ train, validation, test }: Counts): string => {
    if (use === "train") return `${train} + ${validation} + ${test}`;
    return `${use === "evaluate" && counts.test > 0 ? test : train + validation + test}`;
  };
  if (use === "train")
    yield `${examples}: ${counts.train} to train on, ${counts.validation} to validate, ${counts.test} to test`;
  else if (use === "evaluate" && counts.test > 0)
    yield `${examples}, of which the ${counts.test} of the test split are evaluated`;
  else yield examples;
  const { classes, numbers, lengths, duplicates } = report;
  if (classes) {
    const width = Math.min(40, Math.max(0, ...classes.map(({ label }) => label.length)));
    for (const { label, counts } of classes.slice(0, CLASSES))
      yield `  ${oneLine(label).padEnd(width)}  ${used(counts)}`;
    if (classes.length > CLASSES) yield `  and ${classes.length - CLASSES} more classes`;
  }
  if (numbers)
    yield `  numbers from ${numbers.least} to ${numbers.most}, mean ${short(numbers.mean)}, deviation ${short(numbers.deviation)}`;
  if (lengths)
    yield `  ${lengths.unit}: from ${lengths.least}, half up to ${lengths.median}, 95 % up to ${lengths.p95}, at most ${lengths.most}`;
  const inTrain = use === "train" ? `, of test in train ${duplicates.testInTrain}` : "";
  yield `  duplicates: ${duplicates.all}${inTrain}, with other labels ${duplicates.otherLabel}`;
  if (report.otherFiles > 0) yield `  files in no class, left out: ${report.otherFiles}`;
  for (const { code, count, places } of report.faults) {
    yield `  can't be used (${code}): ${count}`;
    for (const { id, message } of places) yield `    ${oneLine(id)} ${oneLine(message)}`;
  }
  for (const warning of report.warnings) yield `  note: ${warning}`;
}

const short = (value: number): string => `${Number(value.toPrecision(5))}`;
