import { type DataReading, problem } from "@modulehub/core";

/** The columns that are read, by what they are for. */
export interface TableColumns {
  kind: "text" | "image";
  content: string;
  label: string;
  /** Absent where the table has none. */
  split?: string;
  id?: string;
}

/** What a row has in them; undefined where it has none. */
export type TableValues = Partial<Record<Role, unknown>>;

export const ROLES = ["content", "label", "split", "id"] as const;
export type Role = (typeof ROLES)[number];

/**
 * The columns that a reading means, of a table with these names. Throws `data-column-missing` for one that isn't
 * there, with those that are.
 */
export function tableColumns({ columns }: DataReading, names: readonly string[]): TableColumns {
  const { text, image, label, split, id } = columns;
  const found: TableColumns = {
    kind: image === undefined ? "text" : "image",
    content: image ?? text ?? "text",
    label,
  };
  if (split !== undefined || names.includes("split")) found.split = split ?? "split";
  if (id !== undefined) found.id = id;
  for (const role of ROLES) {
    const name = found[role];
    if (name !== undefined && !names.includes(name)) throw missing(role, name, names);
  }
  return found;
}

/** How many names are told. */
const SHOWN = 20;

function missing(role: Role, name: string, names: readonly string[]) {
  const what = { content: "texts or images", label: "labels", split: "splits", id: "ids" }[role];
  const told = names.slice(0, SHOWN).map((each) => JSON.stringify(each.slice(0, 60)));
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : "";
  return problem(
    "data-column-missing",
    `There is no column ${JSON.stringify(name)} with the ${what}; there are ${told.join(", ")}${more}.`,
  );
}
