import { type DataReading, MAX_IMAGE_BYTES, MAX_TEXT_BYTES, problem } from "@modulehub/core";
import { imageOf, textOfBytes } from "../content.ts";
import type { ClassFolders, DataLimits, DataSource } from "../example.ts";
import { labelOf } from "../label.ts";
import { fault, type Row } from "../row.ts";
import { fileKind, placeOf, ratingOf } from "./class-folders.ts";
import { readEntries } from "./entries.ts";
import type { FileEntry } from "./entry.ts";

/** The rows of a folder or archive: every file in a folder of a class. */
export async function* archiveRows(
  source: DataSource,
  reading: DataReading,
  folders: ClassFolders,
  limits: DataLimits,
): AsyncGenerator<Row, void> {
  if (reading.label === "rating" && !folders.ratings)
    throw problem(
      "data-label-invalid",
      "There are no ratings: they are read from folders pos and neg with files <id>_<rating>.txt only.",
    );
  for await (const entry of readEntries(source, limits))
    if (entry.kind === "file") yield await rowOf(entry, reading, folders);
}

async function rowOf(entry: FileEntry, reading: DataReading, folders: ClassFolders): Promise<Row> {
  const { path } = entry;
  const place = placeOf(folders, path);
  if (!place) return { kind: "other" };
  const kind = fileKind(path);
  if (!kind) return fault(path, "data-file-unknown", "is neither .txt nor .jpg, .png or .webp");
  const label = labelOf(path, reading, reading.label === "rating" ? ratingOf(place.name) : place.folder);
  if (label.kind === "fault") return label;
  const read =
    kind === "text"
      ? textOfBytes(path, await entry.read(MAX_TEXT_BYTES))
      : imageOf(path, await entry.read(MAX_IMAGE_BYTES));
  if (read.kind !== "content") return { ...read, label };
  return {
    kind: "example",
    id: path,
    content: read.content,
    label,
    ...(place.split && { split: place.split }),
  };
}
