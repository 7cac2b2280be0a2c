import {
  type DataReading,
  type DataReport,
  type JobKind,
  type ProblemDocument,
  problem,
  type Split,
} from "@modulehub/core";
import type { DataLimits, DataPlan, DataSource, DataSurvey, ExampleContent } from "../example.ts";
import { DATA_LIMITS } from "../limits.ts";
import { foldersOf, readRows } from "../rows.ts";
import { classCounts, numbersOf, splitCounts } from "./class-counts.ts";
import { sortedClasses } from "./class-names.ts";
import { contentDigest, digestNumber } from "./content-digest.ts";
import { drawOf } from "./draw.ts";
import { duplicatesOf } from "./duplicates.ts";
import { ExampleColumns } from "./example-columns.ts";
import { Faults } from "./faults.ts";
import { lengthsOf } from "./lengths.ts";
import { evaluationProblems, trainingProblems } from "./problems.ts";
import { splitsOf } from "./splits.ts";
import { Strays } from "./strays.ts";
import { trainingWarnings, warningsOf } from "./warnings.ts";

export interface SurveyOptions {
  /** What the data set is for, which decides what stands in the way, and what may surprise. Default `train`. */
  purpose?: JobKind;
  /** The classes, or labels, that a module knows, in their order: to evaluate it, the data may have no others. */
  classes?: readonly string[];
  limits?: DataLimits;
  signal?: AbortSignal;
}

/**
 * Reads a data set once from end to end and says what is in it: the report, with what stands in the way in its
 * `problems`, and the plan by which `readDataset` gives the examples. Never holds more than one example and about 60
 * bytes of each. Throws ProblemError where it can't be read as a whole: `data-format`, `data-corrupt`, `data-empty`,
 * `data-too-large`, `data-archive-unsafe`, `data-layout`, `data-column-missing`, `data-too-many-classes`,
 * `data-row-invalid` (a quote that is never closed), `data-label-invalid` (ratings where there are none).
 */
export async function surveyDataset(
  source: DataSource,
  reading: DataReading,
  options: SurveyOptions = {},
): Promise<DataSurvey> {
  const { limits = DATA_LIMITS, purpose = "train", signal } = options;
  const folders = await foldersOf(source, reading, limits);
  const seen = {
    columns: new ExampleColumns(),
    faults: new Faults(),
    text: 0,
    image: 0,
    emptyRows: 0,
    otherFiles: 0,
  };
  const { columns, faults } = seen;
  const strays = new Strays();
  const declare = (name: string) => void columns.names.indexOf(name);
  if (reading.target === "class" && reading.label === "folder") folders?.empty.forEach(declare);
  for await (const row of readRows(source, reading, folders, limits)) {
    signal?.throwIfAborted();
    if (row.kind === "example") {
      seen[row.content.kind] += 1;
      const digest = contentDigest(row.content);
      const draw = (split: Split) => drawOf(reading.split.seed, split, digest);
      strays.see(row.id, row.split);
      columns.add({
        label: row.label,
        split: row.split,
        digest: digestNumber(digest),
        length: lengthOf(row.content),
        draws: { test: draw("test"), validation: draw("validation") },
      });
      continue;
    }
    if (row.kind === "empty") seen.emptyRows += 1;
    else if (row.kind === "other") seen.otherFiles += 1;
    else faults.add(row);
    if (row.kind !== "other" && row.label?.kind === "class") declare(row.label.name);
  }

  const names = columns.names.all();
  const classes = options.classes ?? sortedClasses(names);
  const splits = splitsOf(columns, reading, names);
  const counts = splitCounts(splits);
  const kind: ExampleContent["kind"] = seen.image > seen.text ? "image" : "text";
  const { target } = reading;
  const report: DataReport = {
    examples: columns.count,
    kind,
    target,
    ...(target === "number"
      ? { numbers: numbersOf(columns, splits) }
      : { classes: classCounts(columns, splits, target, classes) }),
    splits: { counts, given: splits.given },
    lengths: lengthsOf(columns.lengths(), kind),
    duplicates: duplicatesOf(columns, splits, target),
    emptyRows: seen.emptyRows,
    otherFiles: seen.otherFiles,
    faults: faults.report(),
    problems: [],
    warnings: [],
  };
  report.problems = [
    ...(reading.faulty === "refuse" ? faults.problems() : []),
    ...strays.problems(),
    ...mixedProblems(seen),
    ...(purpose === "evaluate" ? evaluationProblems(report, names) : trainingProblems(report)),
  ];
  report.warnings = [
    ...warningsOf(report, reading),
    ...(purpose === "train" ? trainingWarnings(report) : []),
  ];
  const plan: DataPlan = {
    reading,
    kind,
    classes: target === "number" ? [] : classes,
    counts,
    drawn: splits.drawn,
    folders,
  };
  return { report, plan };
}

const lengthOf = (content: ExampleContent): number =>
  content.kind === "text" ? content.text.length : content.bytes.byteLength;

const mixedProblems = ({ text, image }: { text: number; image: number }): ProblemDocument[] =>
  text > 0 && image > 0
    ? [
        problem(
          "data-mixed",
          `There are ${text} texts and ${image} images; make a data set of each.`,
        ).toDocument(),
      ]
    : [];
