import { type DataReport, type ProblemCode, type ProblemDocument, problem } from "@modulehub/core";

/** Names that are told at most. */
const SHOWN = 10;

const refusal = (code: ProblemCode, detail: string): ProblemDocument => problem(code, detail).toDocument();

/** Why nothing can be trained on a data set. */
export function trainingProblems(report: DataReport): ProblemDocument[] {
  const { counts } = report.splits;
  if (report.examples === 0) return [refusal("data-empty", "There is no example that can be used in it.")];
  if (counts.train === 0)
    return [
      refusal(
        "data-split-invalid",
        "All examples are in the validation or test split; there are none to train on.",
      ),
    ];
  const { classes } = report;
  if (classes === undefined) return [];
  if (classes.length === 0) return [refusal("data-label-invalid", "No example has a label.")];
  if (report.target === "class" && classes.length === 1)
    return [refusal("data-one-class", `All examples are of the class ${told([classes[0]!.label])}.`)];
  const lacking = classes.filter((each) => each.counts.train === 0);
  const elsewhere = lacking.filter((each) => each.counts.test + each.counts.validation > 0);
  const empty = lacking.filter((each) => !elsewhere.includes(each));
  return [
    ...(elsewhere.length > 0
      ? [
          refusal(
            "data-classes-differ",
            `The train split has no examples of ${told(elsewhere.map(({ label }) => label))}.`,
          ),
        ]
      : []),
    ...(empty.length > 0
      ? [refusal("data-class-empty", `There are no examples of ${told(empty.map(({ label }) => label))}.`)]
      : []),
  ];
}

/** Why a module that knows the report's classes can't be evaluated with a data set that has these. */
export function evaluationProblems(report: DataReport, names: readonly string[]): ProblemDocument[] {
  if (report.examples === 0) return [refusal("data-empty", "There is no example that can be used in it.")];
  const known = new Set(report.classes?.map(({ label }) => label));
  const unknown = report.target === "number" ? [] : names.filter((name) => !known.has(name));
  if (unknown.length === 0) return [];
  return [refusal("data-label-unknown", `The module knows ${told([...known])}, but not ${told(unknown)}.`)];
}

/** A few names, and how many more there are. */
function told(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).map((name) => JSON.stringify(name));
  return names.length > SHOWN ? `${shown.join(", ")} and ${names.length - SHOWN} more` : shown.join(", ");
}
