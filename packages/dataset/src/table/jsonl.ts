import { type DataReading, problem } from "@modulehub/core";
import { readBytes } from "../bytes/read-bytes.ts";
import { utf8 } from "../content.ts";
import type { DataLimits, DataSource } from "../example.ts";
import { fault } from "../row.ts";
import { ROLES, type TableColumns, type TableValues, tableColumns } from "./columns.ts";
import { maxRowBytes } from "./row-size.ts";
import type { TableRecord } from "./table-record.ts";

/**
 * The rows of a JSONL: an object a line; blank lines are passed over. The first object must have all the columns that
 * are read. Throws `data-column-missing`, `data-row-invalid` where the first line is no object, and the codes of
 * `readBytes`.
 */
export async function* jsonRecords(
  source: DataSource,
  reading: DataReading,
  limits: DataLimits,
): AsyncGenerator<TableRecord, void> {
  const most = maxRowBytes(reading);
  let columns: TableColumns | undefined;
  let row = 0;
  for await (const line of readLines(readBytes(source, limits), most)) {
    row += 1;
    const id = `row ${row}`;
    if (line === undefined) {
      yield fault(id, "data-text-too-long", `has more than ${most} bytes`);
      continue;
    }
    const text = utf8(line);
    if (text === undefined) {
      yield fault(id, "data-encoding", "is not UTF-8");
      continue;
    }
    if (text.trim() === "") continue;
    const object = jsonObject(text);
    if (object === undefined) {
      if (columns === undefined)
        throw problem("data-row-invalid", "The first line is no JSON object; JSONL has one a line.");
      yield fault(id, "data-row-invalid", "is no JSON object");
      continue;
    }
    columns ??= tableColumns(reading, Object.keys(object));
    yield { kind: "record", id, columns, values: valuesOf(object, columns) };
  }
}

function valuesOf(object: object, columns: TableColumns): TableValues {
  const own = new Map(Object.entries(object));
  return Object.fromEntries(
    ROLES.flatMap((role) => {
      const name = columns[role];
      return name === undefined ? [] : [[role, own.get(name)]];
    }),
  );
}

function jsonObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const LINE_FEED = 0x0a;

/** Lines without their ends; undefined for one of more than `most` bytes, of which no more is kept. */
export async function* readLines(
  chunks: AsyncIterable<Buffer>,
  most: number,
): AsyncGenerator<Buffer | undefined, void> {
  let kept: Buffer[] = [];
  let length = 0;
  const take = (piece: Buffer) => {
    length += piece.length;
    if (length <= most) kept.push(piece);
    else kept = [];
  };
  const line = () => {
    const whole = length <= most ? Buffer.concat(kept, length) : undefined;
    kept = [];
    length = 0;
    return whole;
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, from)) {
      take(chunk.subarray(from, end));
      yield line();
      from = end + 1;
    }
    take(chunk.subarray(from));
  }
  if (length > 0) yield line();
}
