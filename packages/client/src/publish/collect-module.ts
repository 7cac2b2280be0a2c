import { stat } from "node:fs/promises";
import { canonicalJson, type Manifest, parseManifest } from "@modulehub/core";
import { LocalFileError } from "../connection-error.ts";
import { deriveModule } from "../derive/derive-module.ts";
import { readSmall } from "../derive/layout-file.ts";
import { bareGraphFiles } from "../derive/onnx-file.ts";
import { scanFolder } from "./scan-folder.ts";
import { memoryFile, type SourceFile } from "./source-file.ts";

/** What would be published: every file, `module.json` among them. */
export interface ModuleContent {
  files: SourceFile[];
  manifest: Manifest;
  /** Present where the folder had no module.json. */
  derived?: { layout: string; notes: string[] };
}

/**
 * The content of a module from a folder or a bare `.onnx` file. Where there is no `module.json` it is derived,
 * in RFC 8785 form, from what lies there. Throws LocalFileError for files that can't be taken along,
 * `manifest-invalid` for a module.json that is none, and the reader's codes for a graph that is none.
 */
export async function collectModule(path: string): Promise<ModuleContent> {
  const entry = await stat(path).catch((cause: unknown) => {
    throw new LocalFileError(`${path} can't be read. Give a folder, or an .onnx file.`, cause);
  });
  if (!entry.isDirectory() && !/\.onnx$/i.test(path))
    throw new LocalFileError(`${path} is neither a folder nor an .onnx file.`);
  const files = entry.isDirectory() ? await scanFolder(path) : await bareGraphFiles(path);
  if (files.length === 0) throw new LocalFileError(`${path} holds no files to publish.`);
  const own = files.find((file) => file.path === "module.json");
  if (own) return { files, manifest: parseManifest(await readSmall(own)) };
  const { manifest, layout, notes, added } = await deriveModule(files);
  const json = memoryFile("module.json", new TextEncoder().encode(canonicalJson(manifest)));
  return { files: [...files, ...added, json], manifest, derived: { layout, notes } };
}
