import type { DataReport } from "@modulehub/core";
import { oneLine } from "../listing/table.ts";

/** Classes that are told one by one. */
const CLASSES = 20;

/** A report as lines for people. */
export function* reportText(report: DataReport): Generator<string> {
  const { train, validation, test } = report.splits.counts;
  const kind = report.kind === "text" ? "texts" : "images";
  yield `${report.examples} ${kind}: ${train} to train on, ${validation} to validate, ${test} to test`;
  const { classes, numbers, lengths, duplicates } = report;
  if (classes) {
    const width = Math.min(40, Math.max(0, ...classes.map(({ label }) => label.length)));
    for (const { label, counts } of classes.slice(0, CLASSES))
      yield `  ${oneLine(label).padEnd(width)}  ${counts.train} + ${counts.validation} + ${counts.test}`;
    if (classes.length > CLASSES) yield `  and ${classes.length - CLASSES} more classes`;
  }
  if (numbers)
    yield `  numbers from ${numbers.least} to ${numbers.most}, mean ${short(numbers.mean)}, deviation ${short(numbers.deviation)}`;
  if (lengths)
    yield `  ${lengths.unit}: from ${lengths.least}, half up to ${lengths.median}, 95 % up to ${lengths.p95}, at most ${lengths.most}`;
  yield `  duplicates: ${duplicates.all}, of test in train ${duplicates.testInTrain}, with other labels ${duplicates.otherLabel}`;
  if (report.otherFiles > 0) yield `  files in no class, left out: ${report.otherFiles}`;
  for (const { code, count, places } of report.faults) {
    yield `  can't be used (${code}): ${count}`;
    for (const { id, message } of places) yield `    ${oneLine(id)} ${oneLine(message)}`;
  }
  for (const warning of report.warnings) yield `  note: ${warning}`;
}

const short = (value: number): string => `${Number(value.toPrecision(5))}`;
