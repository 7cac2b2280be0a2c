import { type Manifest, manifestSchema, type Visibility } from "@modulehub/core";
import { z } from "zod";
import type { Queries } from "../database/client.ts";
import { storableJson } from "../database/storable.ts";
import { cardSchema, type StoredCard } from "./card.ts";
import { foundVector, rankedVector } from "./search-words.ts";

/** What the row of a module is made of. */
export interface ListingSource {
  moduleId: number;
  publisher: string;
  name: string;
  visibility: Visibility;
  createdAt: Date;
  /** Absent while no version can be seen. */
  latest?: {
    version: number;
    digest: string;
    publishedAt: Date;
    /** Bytes of all files. */
    size: number;
    manifest: Manifest;
    card: StoredCard;
    /** What it tells apart, one a line. */
    labels?: string;
  };
}

/** What lists show of a module beside its name and version. */
export const shownSchema = cardSchema.omit({ text: true }).extend({
  task: z.string(),
  dtypes: z.array(z.string()),
});
export type Shown = z.infer<typeof shownSchema>;

/** Kinds of values by which modules are filtered; in the API, on the command line and on the page by these names. */
export const FILTERS = [
  "publisher",
  "task",
  "dtype",
  "input",
  "output",
  "license",
  "language",
  "tag",
] as const;
export type Filter = (typeof FILTERS)[number];

/** Longer values are cut, in the row as in a query. */
const MAX_VALUE = 200;
/** Inputs, and outputs, of which a row knows. */
const MAX_TENSORS = 64;

/** A value as rows hold it, and queries ask for it: without regard to case. */
export const facet = (filter: Filter, value: string): string =>
  `${filter}:${value.toLowerCase().slice(0, MAX_VALUE).toWellFormed()}`;

/**
 * Makes the row of a module anew from its latest version and that one's documentation; without such a version it
 * stays in the lists of who may see it. To be called in the transaction of whatever changes one of these. Takes the
 * lock of the module's row, so that of two changes at once the second makes the row.
 */
export async function refreshListing(tx: Queries, moduleId: number): Promise<void> {
  await tx.$queryRaw`SELECT 1 FROM module WHERE id = ${moduleId} FOR NO KEY UPDATE`;
  const module = await tx.module.findUnique({ where: { id: moduleId } });
  if (module === null) {
    await tx.$executeRaw`DELETE FROM listing WHERE module_id = ${moduleId}`;
    return;
  }
  const latest = await tx.version.findFirst({
    where: { moduleId, yankedAt: null },
    orderBy: { number: "desc" },
  });
  const source: ListingSource = {
    moduleId,
    publisher: module.publisherId,
    name: module.name,
    visibility: z.enum(["public", "private"]).parse(module.visibility),
    createdAt: module.createdAt,
  };
  if (latest !== null) {
    const { id: versionId, documentationRevision: revision } = latest;
    const files = await tx.versionFile.aggregate({ where: { versionId }, _sum: { size: true } });
    const texts = await tx.documentationFile.aggregate({
      where: { versionId, revision },
      _sum: { size: true },
    });
    const documentation = await tx.documentation.findUniqueOrThrow({
      where: { versionId_revision: { versionId, revision } },
      select: { card: true },
    });
    source.latest = {
      version: latest.number,
      digest: latest.digest,
      publishedAt: latest.publishedAt,
      size: Number((files._sum.size ?? 0n) + (texts._sum.size ?? 0n)),
      manifest: manifestSchema.parse(latest.manifest),
      card: cardSchema.parse(documentation.card),
      ...(latest.labels !== null && { labels: latest.labels }),
    };
  }
  await writeListings(tx, [source]);
}

/** Writes the rows of modules, replacing those that are there. */
export async function writeListings(queries: Queries, sources: readonly ListingSource[]): Promise<void> {
  const rows = storableJson(sources.map(rowOf));
  await queries.$executeRaw`
    INSERT INTO listing (module_id, publisher_id, name, lower_name, short_name, visibility, open, created_at,
                         changed_at, version, digest, size, shown, facets, head, words)
    SELECT module_id, publisher_id, name, lower_name, short_name, visibility, open, created_at,
           changed_at, version, digest, size, shown, facets, head::tsvector, words::tsvector
    FROM jsonb_to_recordset(${rows}::jsonb) AS row(
      module_id int, publisher_id text, name text, lower_name text, short_name text, visibility text, open boolean,
      created_at timestamptz, changed_at timestamptz, version int, digest text, size bigint, shown jsonb,
      facets text[], head text, words text)
    ON CONFLICT (module_id) DO UPDATE SET
      publisher_id = EXCLUDED.publisher_id, name = EXCLUDED.name, lower_name = EXCLUDED.lower_name,
      short_name = EXCLUDED.short_name, visibility = EXCLUDED.visibility, open = EXCLUDED.open,
      created_at = EXCLUDED.created_at, changed_at = EXCLUDED.changed_at, version = EXCLUDED.version,
      digest = EXCLUDED.digest, size = EXCLUDED.size, shown = EXCLUDED.shown, facets = EXCLUDED.facets,
      head = EXCLUDED.head, words = EXCLUDED.words`;
}

function rowOf({ moduleId, publisher, name, visibility, createdAt, latest }: ListingSource) {
  const lowerName = name.toLowerCase();
  const row = {
    module_id: moduleId,
    publisher_id: publisher,
    name,
    lower_name: lowerName,
    short_name: lowerName.slice(lowerName.lastIndexOf("/") + 1),
    visibility,
    open: visibility === "public" && latest !== undefined,
    created_at: createdAt.toISOString(),
    changed_at: (latest?.publishedAt ?? createdAt).toISOString(),
    size: latest?.size ?? 0,
  };
  if (latest === undefined)
    return {
      ...row,
      shown: {},
      facets: [facet("publisher", publisher)],
      head: rankedVector([["A", name]]),
      words: foundVector([name], []),
    };
  const { manifest, card, labels = "" } = latest;
  const { text, ...said } = card;
  const tensors = tensorsOf(manifest);
  const shown: Shown = {
    ...said,
    task: manifest.task,
    dtypes: [...new Set([...tensors.input, ...tensors.output].map(({ dtype }) => dtype))].sort(),
  };
  const { title = "", description = "", domain = "", architecture = "" } = card;
  const called = [name, title, manifest.task, ...card.tags];
  const about = [description, domain, architecture];
  const others = [card.languages, card.datasets, card.baseModels].flat();
  return {
    ...row,
    version: latest.version,
    digest: latest.digest,
    shown,
    facets: facetsOf(publisher, shown, tensors),
    head: rankedVector([
      ["A", [name, title].join(" ")],
      ["B", [manifest.task, ...card.tags].join(" ")],
      ["C", about.join(" ")],
    ]),
    words: foundVector(called, [...about, ...others, text, labels]),
  };
}

interface NamedTensor {
  name: string;
  dtype: string;
}

/** The inputs and outputs of all signatures. */
function tensorsOf({ signatures }: Manifest): Record<"input" | "output", NamedTensor[]> {
  const named = (tensors: Record<string, { dtype: string }>): NamedTensor[] =>
    Object.entries(tensors).map(([name, { dtype }]) => ({ name, dtype }));
  const all = Object.values(signatures);
  return {
    input: all.flatMap(({ inputs }) => named(inputs)).slice(0, MAX_TENSORS),
    output: all.flatMap(({ outputs }) => named(outputs)).slice(0, MAX_TENSORS),
  };
}

function facetsOf(publisher: string, shown: Shown, tensors: ReturnType<typeof tensorsOf>): string[] {
  const facets = [
    facet("publisher", publisher),
    facet("task", shown.task),
    ...shown.dtypes.map((dtype) => facet("dtype", dtype)),
    ...shown.languages.map((language) => facet("language", language)),
    ...shown.tags.map((tag) => facet("tag", tag)),
  ];
  if (shown.license !== undefined) facets.push(facet("license", shown.license));
  for (const side of ["input", "output"] as const)
    for (const { name, dtype } of tensors[side])
      facets.push(facet(side, name), facet(side, dtype), facet(side, `${name}:${dtype}`));
  return [...new Set(facets)];
}
