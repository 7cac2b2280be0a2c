import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type DataReading, type ProblemError, problem } from "@modulehub/core";
import { type CastingContext, CsvError, parse } from "csv-parse";
import { readBytes } from "../bytes/read-bytes.ts";
import { utf8 } from "../content.ts";
import type { DataLimits, DataSource } from "../example.ts";
import { fault } from "../row.ts";
import { ROLES, type Role, type TableColumns, type TableValues, tableColumns } from "./columns.ts";
import { MAX_ROW_FIELDS, maxRowBytes } from "./row-size.ts";
import type { TableRecord } from "./table-record.ts";

/** Where a line has what is read of it. */
interface CsvColumns {
  columns: TableColumns;
  indexes: ReadonlyMap<Role, number>;
  count: number;
}

/**
 * The rows of a CSV (RFC 4180; quotes inside a field without quotes are taken as they are) or of a TSV, whose first
 * line names the columns. Throws `data-column-missing`, `data-row-invalid` for a quote that is never closed or a row beyond
 * `row-size.ts`, and the codes of `readBytes`.
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
    // Counts one field at a time where fields are bytes: `limitRow` counts those of a row.
    max_record_size: most,
    cast: limitRow(most),
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

/** Called with each field, so that a row that is too large is given up before it is all in memory. */
function limitRow(most: number) {
  let bytes = 0;
  return <T extends { length: number }>(field: T, { index, records }: CastingContext): T => {
    if (index === 0) bytes = 0;
    bytes += field.length;
    // The line of names is a record too.
    const before = Math.max(0, records - 1);
    if (index >= MAX_ROW_FIELDS) throw tooLarge(before, `${MAX_ROW_FIELDS} fields`);
    if (bytes > most) throw tooLarge(before, `${most} bytes`);
    return field;
  };
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
  if (error.code === "CSV_QUOTE_NOT_CLOSED")
    return problem("data-row-invalid", `A quote that begins after ${place(row)} is never closed.`, {
      cause: error,
    });
  if (error.code === "CSV_MAX_RECORD_SIZE") return tooLarge(row, `${most} bytes`, error);
  return problem("data-row-invalid", `The table can't be read after ${place(row)}: ${error.message}`, {
    cause: error,
  });
}

const tooLarge = (row: number, most: string, cause?: CsvError): ProblemError =>
  problem(
    "data-row-invalid",
    `The row after ${place(row)} has more than ${most}. Is a quote never closed?`,
    cause && { cause },
  );

const place = (row: number): string => (row === 0 ? "the beginning" : `row ${row}`);
