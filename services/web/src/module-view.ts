import {
  type InspectionReport,
  inUrl,
  type Lineage,
  type Manifest,
  type StoredEvaluation,
  type VersionComparison,
  type VersionFile,
  type Visibility,
} from "@modulehub/core";

/** Everything that the page of a version says, as the hub knows it. */
export interface ModuleView {
  /** `publisher/name…`. */
  module: string;
  publisher: { id: string; displayName: string };
  version: number;
  digest: string;
  /** The version's own URL, whole. */
  url: string;
  /** The hub's address, without a slash at the end. */
  hub: string;
  publishedAt: string;
  yanked: boolean;
  /** Why it was yanked, in its publisher's words. */
  yankReason?: string;
  visibility: Visibility;
  /** The number of the latest version that is not yanked. */
  latest: number | undefined;
  manifest: Manifest;
  report: InspectionReport;
  files: VersionFile[];
  /** What it was trained from and what was trained from it, as far as the visitor may see. */
  lineage: Lineage;
  /** How it does beside the version before, where both were evaluated on the same data. */
  comparison?: VersionComparison;
  /** Evaluations since it was published, newest first, as far as the visitor may see. */
  evaluations: StoredEvaluation[];
  /** The revision of the documentation that is shown. */
  documentation: { revision: number; createdAt: string; by?: string };
  /** The text of README.md; it may have been cut. */
  readme: string | undefined;
  /** Versions, highest first; `more` where there are others. */
  versions: { items: VersionRow[]; more: boolean };
}

export interface VersionRow {
  version: number;
  digest: string;
  publishedAt: string;
  yanked?: boolean;
}

/** The path of a version's API on its hub. */
export const versionPath = ({ module, version }: { module: string; version: number }): string =>
  `/v1/modules/${inUrl(module)}/versions/${version}`;

/** The path of a file of a version on its hub. */
export const filePath = (version: { module: string; version: number }, path: string): string =>
  `${versionPath(version)}/files/${inUrl(path)}`;

/** The path of the page of a module, a version of it, or a publisher. */
export const pagePath = (name: string, version?: number): string =>
  `/${inUrl(name)}${version === undefined ? "" : `/${version}`}`;
