import {
  type Digest,
  digestSchema,
  type FieldError,
  isSafeFilePath,
  MAX_MANIFEST_BYTES,
  type Manifest,
  manifestPaths,
  problem,
} from "@modulehub/core";
import { z } from "zod";

/** The most files that a version may have. */
export const MAX_FILES = 10_000;

/** The most bytes that one file may have: what 10,000 parts of the largest size hold. */
export const MAX_FILE_BYTES = 2 ** 42;

export const fileListSchema = z
  .array(
    z.strictObject({
      path: z.string().max(512),
      size: z.int().min(0).max(MAX_FILE_BYTES),
      digest: digestSchema.meta({ type: "string", pattern: "^sha256:[0-9a-f]{64}$" }),
    }),
  )
  .min(1)
  .max(MAX_FILES);

/** A file as its publisher lists it. */
export interface ListedFile {
  path: string;
  size: number;
  digest: Digest;
}

/**
 * Checks what a schema can't say of a file list. Throws `manifest-missing` without a module.json at the
 * root, and as `checkPaths` does.
 */
export function checkFileList(files: readonly ListedFile[]): void {
  checkPaths(files);
  const manifest = files.find(({ path }) => path === "module.json");
  if (manifest === undefined) throw problem("manifest-missing");
  if (manifest.size > MAX_MANIFEST_BYTES)
    throw problem("manifest-invalid", `module.json has more than ${MAX_MANIFEST_BYTES} bytes.`);
}

/**
 * Throws `invalid-request` for paths that are unsafe, that differ by case only (they would be one file on some
 * systems), that are both file and folder, or for one digest with two sizes. `others` are paths that are there beside
 * the files; `at` says where in the request a file stands.
 */
export function checkPaths(
  files: readonly ListedFile[],
  others: readonly string[] = [],
  at: (index: number) => string = (index) => `files[${index}]`,
): void {
  const errors: FieldError[] = [];
  const refuse = (index: number, message: string) => errors.push({ path: at(index), message });
  // With the slash as the lowest character, what lies in a folder sorts right behind that folder's own path.
  const sorted: { path: string; index?: number }[] = others.map((path) => ({ path: folded(path) }));
  const seen = new Set(sorted.map(({ path }) => path));
  const sizes = new Map<Digest, number>();
  for (const [index, file] of files.entries()) {
    const path = folded(file.path);
    if (!isSafeFilePath(file.path)) refuse(index, "path must be a safe relative path inside the module");
    else if (seen.has(path)) refuse(index, "path is there twice, or differs from another by case only");
    else sorted.push({ path, index });
    seen.add(path);
    if ((sizes.get(file.digest) ?? file.size) !== file.size)
      refuse(index, "this digest is there with another size");
    sizes.set(file.digest, file.size);
  }
  sorted.sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const [position, { path, index }] of sorted.entries()) {
    const before = sorted[position - 1];
    if (before === undefined || !path.startsWith(`${before.path}\0`)) continue;
    if (index !== undefined) refuse(index, "a folder of its path is listed as a file");
    else if (before.index !== undefined) refuse(before.index, "its path is a folder of another file");
  }
  if (errors.length > 0)
    throw problem("invalid-request", `The file list has faults. ${errors[0]!.path}: ${errors[0]!.message}.`, {
      errors: errors.slice(0, 20),
    });
}

const folded = (path: string): string => path.normalize("NFC").toLowerCase().replaceAll("/", "\0");

/** Throws `manifest-invalid` where a manifest uses files that are not listed. */
export function checkManifestFiles(manifest: Manifest, files: readonly ListedFile[]): void {
  const listed = new Set(files.map(({ path }) => path));
  const errors = [...manifestPaths(manifest)]
    .filter((path) => !listed.has(path))
    .map((path) => ({ path: "module.json", message: `uses ${path}, which is not among the files` }));
  if (errors.length > 0)
    throw problem("manifest-invalid", `module.json ${errors[0]!.message}.`, { errors: errors.slice(0, 20) });
}
