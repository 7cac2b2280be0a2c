import type { FileRole } from "./file-path.ts";

/**
 * Whether a file is documentation: it stays editable after publishing, and lies outside the version's
 * digest. The path alone decides, never the publisher: README*, LICENSE* and NOTICE* at the root, and pages
 * and pictures in `docs/` and `images/`. A file that the manifest uses is not documentation wherever it
 * lies: `used` holds those paths.
 */
export function isDocumentation(path: string, used: ReadonlySet<string> = NONE): boolean {
  if (used.has(path)) return false;
  if (/^(readme|license|licence|notice)([.-][^/]*)?$/i.test(path)) return true;
  return /^(docs|images)\/.*\.(md|txt|png|jpe?g|gif|webp|svg|pdf)$/i.test(path);
}

const NONE: ReadonlySet<string> = new Set();

/** What a file is for, told from its path and from whether a graph keeps external data in it. */
export function fileRole(
  path: string,
  used: ReadonlySet<string> = NONE,
  external: ReadonlySet<string> = NONE,
): FileRole {
  if (external.has(path)) return "weights";
  if (isDocumentation(path, used)) return "doc";
  if (/\.onnx$/i.test(path)) return "graph";
  if (/\.(onnx[._]data|data|weights|bin|pb)$/i.test(path)) return "weights";
  return "asset";
}
