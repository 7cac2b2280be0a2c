import type { Prisma } from "./generated/client.ts";

/** Whether the database can hold a text: PostgreSQL's texts have no NUL, and UTF-8 no half of a surrogate pair. */
export const isStorable = (text: string): boolean => !text.includes("\0") && text.isWellFormed();

/** JSON of a value in which every string, names included, can be stored; what can't be becomes U+FFFD. */
export function storableJson(value: unknown): string {
  // A lone half is escaped by JSON.stringify, a pair is not; an escaped backslash before it is another one.
  return JSON.stringify(value).replace(/\\(?:\\|u(?:0000|d[89a-f][0-9a-f]{2}))/g, (part) =>
    part === "\\\\" ? part : "\ufffd",
  );
}

/**
 * What was parsed by a schema, as the database's JSON: Prisma's type for that has no optional fields. Reports and
 * problems quote names of the model, in which any character may be.
 */
export const storableValue = (value: object): Prisma.InputJsonValue => JSON.parse(storableJson(value));
