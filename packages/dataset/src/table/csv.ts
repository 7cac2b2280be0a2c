import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type DataReading, type ProblemError, problem } from "@modulehub/core";
import { CsvError, parse } from "csv-parse";
import { readBytes } from "../bytes/read-bytes.ts";
import { utf8 } from "../content.ts";
import type { DataLimits, DataSource } from "../example.ts";
import { fault } from "../row.ts";
import { ROLES, type Role, type TableColumns, type TableValues, tableColumns } from "./columns.ts";
import { maxRowBytes } from "./row-size.ts";
import type { TableRecord } from "./table-record.ts";

/** Where a line has what is read of it. */
interface CsvColumns {
  columns: TableColumns;
  indexes: ReadonlyMap<Role, number>;
  count: number;
}

/**
 * The rows of a CSV (RFC 4180; quotes inside a field without quotes are taken as they are) or of a TSV, whose first
 * line names the columns. Throws `data-column-missing`, `data-row-invalid` for a quote that is never closed, and the
 * codes of `readBytes`.
 */
export async function* csvRecords(
  source: DataSource,
  reading: DataReading,
  limits: DataLimits,
): AsyncGenerator<TableRecord, void> {
  const tabs = reading.format === "tsv";
  const most = maxRowBytes(reading);
  const parser = parse({
    delimiter: tabs ? "\t" : ",",
    quote: (reading.quotes ?? !tabs) ? '"' : null,
    escape: (reading.quotes ?? !tabs) ? '"' : null,
    // Fields stay bytes: whether they are UTF-8 is each row's own affair.
    encoding: null,
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    max_record_size: most,
  });
  const stop = new AbortController();
  const done = pipeline(Readable.from(withoutMark(readBytes(source, limits))), parser, {
    signal: stop.signal,
  });
  done.catch(() => undefined);
  let columns: CsvColumns | undefined;
  let row = 0;
  try {
    for await (const fields of parser as AsyncIterable<Buffer[]>) {
      if (columns === undefined) {
        columns = header(fields, reading);
        continue;
      }
      row += 1;
      yield recordOf(`row ${row}`, fields, columns);
    }
  } catch (error) {
    throw error instanceof CsvError ? unreadable(error, row, most) : error;
  } finally {
    stop.abort();
    await done.catch(() => undefined);
  }
}

const MARK = Buffer.from("\ufeff");

/** Without a byte order mark at the beginning: a quote may follow it. The parser would take it off with the bytes' form. */
async function* withoutMark(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  let first: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (first === undefined) {
      yield chunk;
      continue;
    }
    first = Buffer.concat([first, chunk]);
    if (first.length < MARK.length) continue;
    yield first.subarray(first.indexOf(MARK) === 0 ? MARK.length : 0);
    first = undefined;
  }
  if (first !== undefined && first.length > 0) yield first;
}

function header(fields: readonly Buffer[], reading: DataReading): CsvColumns {
  const names = fields.map((field) => {
    const name = utf8(field);
    if (name === undefined)
      throw problem("data-encoding", "The line with the names of the columns is not UTF-8.");
    return name.trim();
  });
  const columns = tableColumns(reading, names);
  const indexes = new Map<Role, number>();
  for (const role of ROLES) {
    const name = columns[role];
    if (name === undefined) continue;
    if (names.indexOf(name) !== names.lastIndexOf(name))
      throw problem(
        "data-row-invalid",
        `There are two columns ${JSON.stringify(name)}; give one another name.`,
      );
    indexes.set(role, names.indexOf(name));
  }
  return { columns, indexes, count: names.length };
}

function recordOf(
  id: string,
  fields: readonly Buffer[],
  { columns, indexes, count }: CsvColumns,
): TableRecord {
  if (fields.length !== count)
    return fault(id, "data-row-invalid", `has ${fields.length} fields, not ${count}; is one quoted wrongly?`);
  const values: TableValues = {};
  for (const [role, index] of indexes) {
    const value = utf8(fields[index] ?? Buffer.alloc(0));
    if (value === undefined) return fault(id, "data-encoding", "is not UTF-8");
    values[role] = value;
  }
  return { kind: "record", id, columns, values };
}

/** What the parser says of a table as a whole. */
function unreadable(error: CsvError, row: number, most: number): ProblemError {
  const where = row === 0 ? "the beginning" : `row ${row}`;
  if (error.code === "CSV_QUOTE_NOT_CLOSED")
    return problem("data-row-invalid", `A quote that begins after ${where} is never closed.`, {
      cause: error,
    });
  if (error.code === "CSV_MAX_RECORD_SIZE")
    return problem(
      "data-row-invalid",
      `The row after ${where} has more than ${most} bytes. Is a quote never closed?`,
      { cause: error },
    );
  return problem("data-row-invalid", `The table can't be read after ${where}: ${error.message}`, {
    cause: error,
  });
}
