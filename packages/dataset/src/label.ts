import type { DataReading } from "@modulehub/core";
import { type Fault, fault, type RawLabel } from "./row.ts";
import { shown } from "./shown.ts";

/** The longest name of a class, in characters. */
const MAX_LABEL = 256;

/**
 * What the data says of an example's label, as the target needs it: a name, names, or a number. A fault where it says
 * nothing, or something else.
 */
export function labelOf(id: string, reading: DataReading, raw: unknown): RawLabel | Fault {
  const invalid = (message: string) => fault(id, "data-label-invalid", message);
  if (raw === undefined || raw === null) return invalid("has no label");
  switch (reading.target) {
    case "class": {
      if (Array.isArray(raw)) return invalid("has a list of labels; read it with the target labels");
      const name = nameOf(raw);
      return name === undefined
        ? invalid(`its label is ${shown(raw)}, which is no name`)
        : { kind: "class", name };
    }
    case "labels": {
      const list = Array.isArray(raw) ? raw : splitList(raw, reading.labelSeparator);
      const names = list.map(nameOf).filter((name) => name !== undefined);
      if (names.length !== list.length) return invalid(`its labels are ${shown(raw)}, not all names`);
      return { kind: "labels", names: [...new Set(names)] };
    }
    case "number": {
      const value = numberOf(raw);
      return value === undefined
        ? invalid(`its label is ${shown(raw)}, which is no number`)
        : { kind: "number", value };
    }
  }
}

/** Numbers and truth values of JSON are names too: many data sets count their classes. */
function nameOf(raw: unknown): string | undefined {
  const text =
    typeof raw === "string" ? raw.trim() : typeof raw === "boolean" || Number.isFinite(raw) ? `${raw}` : "";
  const storable = text !== "" && text.length <= MAX_LABEL && text.isWellFormed();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  return storable && !/[\u0000-\u001f\u007f]/.test(text) ? text : undefined;
}

/** An empty text is an empty list. */
function splitList(raw: unknown, separator: string): unknown[] {
  if (typeof raw !== "string") return [raw];
  return raw
    .split(separator)
    .map((each) => each.trim())
    .filter((each) => each !== "");
}

function numberOf(raw: unknown): number | undefined {
  if (typeof raw === "number") return Number.isFinite(raw) ? raw : undefined;
  if (typeof raw !== "string" || !/^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/.test(raw)) return undefined;
  const value = Number(raw);
  return Number.isFinite(value) ? value : undefined;
}
