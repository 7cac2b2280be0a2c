import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import {
  type DataReading,
  type DataReadingInput,
  type DataReport,
  dataReadingSchema,
  fieldErrors,
  type JobKind,
  problem,
} from "@modulehub/core";
import { LocalFileError } from "../connection-error.ts";
import type { SourceFile } from "../publish/source-file.ts";

/** How a data set on this machine is read; without a format, its own is found out. */
export type ReadingOptions = Omit<DataReadingInput, "format"> & { format?: DataReading["format"] };

/** Throws LocalFileError where there is nothing to read, `data-format`, and `invalid-request` for what no reading has. */
export async function readingOf(path: string, options: ReadingOptions = {}): Promise<DataReading> {
  await stat(path).catch((cause: unknown) => {
    throw new LocalFileError(`${path} can't be read. Give a folder, an archive, or a table.`, cause);
  });
  // Imported where it is needed: it asks for a newer Node than the rest of the client.
  const { dataFormat } = await import("@modulehub/dataset");
  const parsed = dataReadingSchema.safeParse({
    ...options,
    format: options.format ?? (await dataFormat({ file: path })),
  });
  if (parsed.success) return parsed.data;
  throw problem("invalid-request", "The data set can't be read like this.", {
    errors: fieldErrors(parsed.error.issues),
  });
}

/** What is in a data set on this machine. Throws as `surveyDataset` does. */
export async function reportOf(
  path: string,
  reading: DataReading,
  options: { purpose?: JobKind; signal?: AbortSignal } = {},
): Promise<DataReport> {
  const { surveyDataset } = await import("@modulehub/dataset");
  return (await surveyDataset({ file: path }, reading, options)).report;
}

/** A data set as it is sent: a file as it is, a folder as an archive that is gone after disposal. */
export interface DataFile extends AsyncDisposable {
  /** What people call it. */
  name: string;
  source: SourceFile;
}

/** `onPacked` is told how many bytes of a folder are in its archive. Throws as `packFolder` does. */
export async function dataFile(
  path: string,
  onPacked: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<DataFile> {
  const name = basename(resolve(path)).slice(0, 200);
  const { size, isFolder } = await stat(path).then((found) => ({
    size: found.size,
    isFolder: found.isDirectory(),
  }));
  if (!isFolder)
    return { name, source: { path: name, size, content: { file: path } }, async [Symbol.asyncDispose]() {} };
  const { packFolder } = await import("@modulehub/dataset");
  const folder = await mkdtemp(join(tmpdir(), "modulehub-data-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const file = join(folder, "data.tar");
    let packed = 0;
    await packFolder(path, file, {
      onBytes: (bytes) => {
        packed += bytes;
        onPacked(packed);
      },
      signal,
    });
    const source = { path: name, size: (await stat(file)).size, content: { file } };
    return { name, source, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
