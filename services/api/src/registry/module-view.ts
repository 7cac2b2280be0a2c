import {
  inspectionReportSchema,
  manifestSchema,
  type VersionComparison,
  type Visibility,
} from "@modulehub/core";
import type { ModuleView } from "@modulehub/web";
import type { BlobStore } from "../blobs/blob-store.ts";
import { readText } from "../blobs/read-text.ts";
import type { Queries } from "../database/client.ts";
import type { Module, Version } from "../database/generated/client.ts";
import type { Principal } from "../identity/principal.ts";
import { compareVersions } from "./comparison.ts";
import { readDocumentation } from "./documentation.ts";
import { lineageOf, listEvaluations } from "./lineage.ts";
import { readPublisher } from "./publishers.ts";
import { latestNumber, listVersions, versionFiles } from "./versions.ts";

/** READMEs are read up to this many bytes; a page shows less. */
const MAX_README_BYTES = 1_048_576;
/** Versions that a page lists. */
const SHOWN_VERSIONS = 50;
/** Evaluations that a page lists. */
const SHOWN_EVALUATIONS = 20;

/** Reads what the page of a version says. Throws `store-unavailable` where the README can't be read. */
export async function readModuleView(
  queries: Queries,
  store: BlobStore,
  { module, version }: { module: Module; version: Version },
  { publicUrl, principal }: { publicUrl: string; principal: Principal },
): Promise<ModuleView> {
  const [publisher, latest, versions, files, documentation, lineage, evaluations] = await Promise.all([
    readPublisher(queries, module.publisherId),
    latestNumber(queries, module.id),
    listVersions(queries, module.id, { limit: SHOWN_VERSIONS }),
    versionFiles(queries, version),
    readDocumentation(queries, version),
    lineageOf(queries, principal, { module, version }),
    listEvaluations(queries, principal, { module, version }, { limit: SHOWN_EVALUATIONS }),
  ]);
  const comparison = await besideBefore(queries, principal, { module, version });
  const readme = files.find(({ path }) => path === "README.md");
  return {
    module: module.name,
    publisher: { id: publisher.id, displayName: publisher.displayName },
    version: version.number,
    digest: version.digest,
    url: `${publicUrl}/${module.name}/${version.number}`,
    hub: publicUrl,
    publishedAt: version.publishedAt.toISOString(),
    yanked: version.yankedAt !== null,
    ...(version.yankReason !== null && { yankReason: version.yankReason }),
    visibility: module.visibility as Visibility,
    latest,
    manifest: manifestSchema.parse(version.manifest),
    report: inspectionReportSchema.parse(version.report),
    files,
    documentation: {
      revision: documentation.revision,
      createdAt: documentation.createdAt,
      ...(documentation.by !== undefined && { by: documentation.by }),
    },
    lineage,
    ...(comparison && { comparison }),
    evaluations: evaluations.items,
    readme: readme && (await readText(queries, store, readme.digest, MAX_README_BYTES)),
    versions: {
      items: versions.items.map(({ yanked, ...item }) => ({ ...item, yanked: yanked !== undefined })),
      more: versions.next !== undefined,
    },
  };
}

/** How a version does beside the one before that is not yanked; undefined where nothing tells. */
async function besideBefore(
  queries: Queries,
  principal: Principal,
  { module, version }: { module: Module; version: Version },
): Promise<VersionComparison | undefined> {
  const earlier = await queries.version.findFirst({
    where: { moduleId: module.id, number: { lt: version.number }, yankedAt: null },
    orderBy: { number: "desc" },
  });
  if (earlier === null) return undefined;
  const found = await compareVersions(queries, principal, { module, version: earlier }, { module, version });
  return found.comparisons.length > 0 ? found : undefined;
}
