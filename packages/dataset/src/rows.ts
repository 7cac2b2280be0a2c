import type { DataReading } from "@modulehub/core";
import { archiveRows } from "./archive/archive-rows.ts";
import { findClassFolders } from "./archive/class-folders.ts";
import type { ClassFolders, DataLimits, DataSource } from "./example.ts";
import type { Row } from "./row.ts";
import { tableRows } from "./table/table-rows.ts";

/** Where the classes of an archive lie; undefined for tables. Throws as `findClassFolders` does. */
export async function foldersOf(
  source: DataSource,
  { format }: DataReading,
  limits: DataLimits,
): Promise<ClassFolders | undefined> {
  return format === "archive" ? await findClassFolders(source, limits) : undefined;
}

/** Every row of a data set, in its order. `folders` are those of `foldersOf`. */
export const readRows = (
  source: DataSource,
  reading: DataReading,
  folders: ClassFolders | undefined,
  limits: DataLimits,
): AsyncGenerator<Row, void> =>
  folders ? archiveRows(source, reading, folders, limits) : tableRows(source, reading, limits);
