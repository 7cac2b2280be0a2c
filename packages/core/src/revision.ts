import { type ContentFile, canonicalJson, sortedFiles } from "./digest.ts";

/**
 * A revision names a state of a module by 40 hex digits, as Hugging Face's clients name commits: the first 40 of the
 * sha256 of `revisionContent`. Every version and every edit of documentation has one, and names the one before it.
 */
export const REVISION_LENGTH = 40;

/** The revision of a module without versions, and the parent of the first: of `{"files":[],"parent":null}`. */
export const EMPTY_REVISION = "60344cbcb05cfc0ecb5b903e25254d31bfe1a132";

/** The JSON that a revision is made from: RFC 8785 of its parent and all files, documentation among them. */
export const revisionContent = (parent: string, files: readonly ContentFile[]): string =>
  canonicalJson({ parent, files: sortedFiles(files) });
