import {
  type DataSet,
  dataSetSchema,
  type Evaluation,
  type EvaluationFigures,
  evaluationFiguresSchema,
  jobResultSchema,
  SPLITS,
  type Split,
  splitSchema,
  type VersionComparison,
} from "@modulehub/core";
import { compareEvaluations } from "@modulehub/dataset/metrics";
import { z } from "zod";
import type { Queries } from "../database/client.ts";
import type { Module, Version } from "../database/generated/client.ts";
import { type Principal, visiblePublishers } from "../identity/principal.ts";
import { listEvaluations } from "./lineage.ts";

/** Evaluations of a version that are looked through, newest first. */
const MOST = 200;

interface Found {
  module: Module;
  version: Version;
}

/** How a version did on some data, of which one or the other may have been told to whoever asks. */
interface Outcome {
  dataSet: DataSet;
  split?: Split;
  figures: EvaluationFigures;
  at: string;
  /** Which examples were right, where the job that says so is there and may be read. */
  correct?: string | undefined;
}

/**
 * How the second of two versions differs from the first on all data that both were evaluated on, as far as whoever asks
 * may see their evaluations. The figures of their training count as evaluations on its splits.
 */
export async function compareVersions(
  queries: Queries,
  principal: Principal,
  first: Found,
  second: Found,
): Promise<VersionComparison> {
  const [before, after] = [
    await outcomesOf(queries, principal, first),
    await outcomesOf(queries, principal, second),
  ];
  const comparisons = [...after].flatMap(([examples, outcome]) => {
    const earlier = before.get(examples);
    if (earlier === undefined) return [];
    const { dataSet, split, figures } = outcome;
    const comparison = compareEvaluations(
      { ...earlier.figures, correct: earlier.correct },
      { ...figures, correct: outcome.correct },
    );
    return [
      {
        dataSet,
        examples: figures.examples,
        comparison,
        ...(split !== undefined && split === earlier.split && { split }),
      },
    ];
  });
  return { first: handleOf(first), second: handleOf(second), comparisons };
}

const handleOf = ({ module, version }: Found): string => `${module.name}/${version.number}`;

/** By target and examples, the newest each. */
async function outcomesOf(
  queries: Queries,
  principal: Principal,
  found: Found,
): Promise<Map<string, Outcome>> {
  const { items } = await listEvaluations(queries, principal, found, { limit: MOST });
  const trainedBy = await trainingJob(queries, found);
  const jobs = [...items.map(({ job }) => job), ...(trainedBy === null ? [] : [trainedBy])];
  const correct = await correctOf(queries, principal, jobs);
  const evaluated = items.map(({ dataSet, figures, at }): Outcome => ({ dataSet, figures, at }));
  const all = [...evaluated, ...(await trainedOutcomes(queries, found))]
    .map((one) => ({ ...one, correct: correct.get(examplesOf(one.figures)) }))
    .sort((a, b) => (a.at < b.at ? -1 : 1));
  return new Map(all.map((one) => [examplesOf(one.figures), one]));
}

/** What evaluations have in common that can be compared. */
const examplesOf = ({
  target,
  examplesDigest,
}: Pick<EvaluationFigures, "target" | "examplesDigest">): string => `${target} ${examplesDigest}`;

const figuresBySplit = z.partialRecord(splitSchema, evaluationFiguresSchema);

async function trainedOutcomes(queries: Queries, { version }: Found): Promise<Outcome[]> {
  const own = await queries.lineage.findUnique({ where: { versionId: version.id } });
  if (own === null) return [];
  const figures = figuresBySplit.parse(own.figures);
  const dataSet = dataSetSchema.parse(own.dataSet);
  return SPLITS.flatMap((split) => {
    const of = figures[split];
    return of === undefined ? [] : [{ dataSet, split, figures: of, at: own.createdAt.toISOString() }];
  });
}

/** The job that a version comes from, as long as its draft is remembered. */
async function trainingJob(queries: Queries, { module, version }: Found): Promise<string | null> {
  const draft = await queries.draft.findFirst({
    where: { moduleId: module.id, version: version.number, jobId: { not: null } },
    select: { jobId: true },
  });
  return draft?.jobId ?? null;
}

/**
 * Which examples a version was right on, by what they are: of jobs that are remembered and whose results whoever asks
 * may read. The same version is right on the same examples, whichever job says so.
 */
async function correctOf(
  queries: Queries,
  principal: Principal,
  jobs: readonly string[],
): Promise<Map<string, string>> {
  const visible = visiblePublishers(principal, "job.read");
  const rows = await queries.job.findMany({
    where: { id: { in: [...jobs] }, ...(visible !== "all" && { publisherId: { in: visible } }) },
    select: { result: true },
  });
  const evaluations = rows.flatMap(({ result }): Evaluation[] => {
    const parsed = jobResultSchema.safeParse(result);
    if (!parsed.success) return [];
    if (parsed.data.kind === "evaluate") return [parsed.data.evaluation];
    return parsed.data.kind === "train" ? Object.values(parsed.data.evaluations) : [];
  });
  return new Map(
    evaluations.flatMap((evaluation): [string, string][] =>
      "correct" in evaluation ? [[examplesOf(evaluation), evaluation.correct]] : [],
    ),
  );
}
