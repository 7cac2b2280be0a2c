import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { type DataReading, problem } from "@modulehub/core";
import { isArchive } from "./archive/entries.ts";
import type { DataSource } from "./example.ts";
import { DATA_LIMITS } from "./limits.ts";

/**
 * The format of a folder or file: an archive is known by its bytes, a table by its name. Throws `data-format` where
 * neither tells, `data-empty` for an empty file.
 */
export async function dataFormat(source: DataSource): Promise<DataReading["format"]> {
  if ((await stat(source.file)).isDirectory() || (await isArchive(source, DATA_LIMITS))) return "archive";
  const name = basename(source.file).toLowerCase().replace(/\.gz$/, "");
  if (name.endsWith(".csv")) return "csv";
  if (/\.(tsv|tab)$/.test(name)) return "tsv";
  if (/\.(jsonl|ndjson)$/.test(name)) return "jsonl";
  throw problem(
    "data-format",
    `${basename(source.file)} is neither a folder, a tar, a zip, nor named .csv, .tsv or .jsonl (each perhaps with .gz).`,
  );
}
