import type { FileRole } from "./file-path.ts";

/**
 * Whether a file is documentation: it stays editable after publishing, and lies outside the version's
 * digest. Path and manifest decide, never the publisher: README, LICENSE and NOTICE files at the root (with
 * any ending but those of weights), and pages and pictures in `docs/` and `images/`. Whether a README really
 * refers to these is not asked: it can be edited, and an edit must not change a digest. A file that the
 * manifest uses is not documentation wherever it lies: `used` holds those paths (`manifestPaths`).
 */
export function isDocumentation(path: string, used: ReadonlySet<string> = NONE): boolean {
  if (used.has(path)) return false;
  if (/^(readme|license|licence|notice)([._-][^/]*)?$/i.test(path)) return !WEIGHTS.test(path);
  return /^(docs|images)\/.*\.(md|txt|png|jpe?g|gif|webp|svg|pdf)$/i.test(path);
}

const NONE: ReadonlySet<string> = new Set();
const GRAPH = /\.onnx$/i;
const WEIGHTS = /\.(onnx|onnx[._]data|data|weights|bin|pb|safetensors)$/i;

/** What a file is for, told from its path and from whether a graph keeps external data in it. */
export function fileRole(
  path: string,
  used: ReadonlySet<string> = NONE,
  external: ReadonlySet<string> = NONE,
): FileRole {
  if (external.has(path)) return "weights";
  if (isDocumentation(path, used)) return "doc";
  if (GRAPH.test(path)) return "graph";
  if (WEIGHTS.test(path)) return "weights";
  return "asset";
}
