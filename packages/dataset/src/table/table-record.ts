import type { Fault } from "../row.ts";
import type { TableColumns, TableValues } from "./columns.ts";

/** A row of a table: what its columns hold, or why it can't be told. */
export type TableRecord = { kind: "record"; id: string; columns: TableColumns; values: TableValues } | Fault;
