import canonicalize from "canonicalize";
import { z } from "zod";
import { isDocumentation } from "./documentation.ts";
import { type Manifest, manifestPaths } from "./manifest.ts";

declare const digestBrand: unique symbol;
/** `sha256:` and 64 lower-case hex digits. */
export type Digest = string & { readonly [digestBrand]: true };

const PATTERN = /^sha256:[0-9a-f]{64}$/;

/** Whether a text is a digest: `sha256:` and 64 lower-case hex digits. */
export const isDigest = (text: string): text is Digest => PATTERN.test(text);

/** A digest in JSON. */
export const digestSchema = z.custom<Digest>((value) => typeof value === "string" && isDigest(value), {
  message: "must be sha256: and 64 lower-case hex digits",
});

/** The digest of 64 hex digits, as hashing gives them. Throws a TypeError on anything else: a bug. */
export function digestOfHex(hex: string): Digest {
  const digest = `sha256:${hex}`;
  if (!isDigest(digest)) throw new TypeError("not a sha256 in hex");
  return digest;
}

/** JSON by RFC 8785: one spelling for one value. Throws a TypeError where there is none (NaN, undefined). */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("value has no JSON form");
  return text;
}

/** A file as digests and revisions see it. */
export interface ContentFile {
  path: string;
  size: number;
  digest: Digest;
}

/**
 * The JSON whose sha256 is a version's digest: RFC 8785 of `[{path,size,digest}]` without documentation,
 * sorted by the UTF-8 bytes of the path. Hashing is the caller's: browsers and Node differ there.
 */
export function versionContent(files: readonly ContentFile[], manifest: Manifest): string {
  const used = manifestPaths(manifest);
  return canonicalJson(sortedFiles(files.filter(({ path }) => !isDocumentation(path, used))));
}

/** Files sorted by the UTF-8 bytes of their paths, and nothing in them but path, size and digest. */
export function sortedFiles(files: readonly ContentFile[]): ContentFile[] {
  const encoder = new TextEncoder();
  return files
    .map(({ path, size, digest }) => ({ key: encoder.encode(path), file: { path, size, digest } }))
    .sort((a, b) => compareBytes(a.key, b.key))
    .map(({ file }) => file);
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const difference = a[index]! - b[index]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
