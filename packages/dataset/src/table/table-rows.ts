import type { DataReading, Split } from "@modulehub/core";
import { splitOf } from "../archive/class-folders.ts";
import { imageOf, textOf } from "../content.ts";
import type { DataLimits, DataSource } from "../example.ts";
import { labelOf } from "../label.ts";
import { type Fault, fault, type Row } from "../row.ts";
import { shown } from "../shown.ts";
import type { TableColumns, TableValues } from "./columns.ts";
import { csvRecords } from "./csv.ts";
import { jsonRecords } from "./jsonl.ts";

/** The rows of a table, in its order. Throws the codes of `csvRecords` and `jsonRecords`. */
export async function* tableRows(
  source: DataSource,
  reading: DataReading,
  limits: DataLimits,
): AsyncGenerator<Row, void> {
  const records = reading.format === "jsonl" ? jsonRecords : csvRecords;
  for await (const record of records(source, reading, limits))
    yield record.kind === "fault" ? record : rowOf(record.id, record.columns, record.values, reading);
}

function rowOf(row: string, columns: TableColumns, values: TableValues, reading: DataReading): Row {
  const id = typeof values.id === "string" && values.id !== "" ? values.id.slice(0, 256) : row;
  const read = contentOf(id, columns, values.content);
  const label = labelOf(id, reading, values.label);
  // Its class is there all the same, and may turn out to have no examples.
  if (read.kind !== "content") return label.kind === "fault" ? read : { ...read, label };
  if (label.kind === "fault") return label;
  const split = splitValue(id, values.split);
  if (typeof split === "object") return split;
  return { kind: "example", id, content: read.content, label, ...(split && { split }) };
}

function contentOf(id: string, { kind, content }: TableColumns, value: unknown) {
  if (value === undefined || value === null) return { kind: "empty", id } as const;
  if (typeof value !== "string")
    return fault(id, "data-row-invalid", `has no text in ${JSON.stringify(content.slice(0, 60))}`);
  if (kind === "text") return textOf(id, value);
  const bytes = base64(value);
  return bytes === undefined
    ? fault(id, "data-image-invalid", "has an image that is not in Base64")
    : imageOf(id, bytes);
}

/** The bytes of Base64, or of a `data:` URL of it; undefined where it is neither. */
function base64(text: string): Buffer | undefined {
  const data = /^data:[^,]{0,200};base64,/.exec(text)?.[0];
  const digits = (data === undefined ? text : text.slice(data.length)).trim();
  const bytes = Buffer.from(digits, "base64");
  // Node skips over what is no digit.
  const whole = digits.replace(/=+$/, "").length;
  return bytes.length === Math.floor((whole * 3) / 4) && /^[A-Za-z0-9+/]*={0,2}$/.test(digits)
    ? bytes
    : undefined;
}

function splitValue(id: string, value: unknown): Split | Fault | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  const split = typeof value === "string" ? splitOf(value.trim()) : undefined;
  return split ?? fault(id, "data-split-invalid", `its split is ${shown(value)}, which is none`);
}
