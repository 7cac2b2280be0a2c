import { problem } from "@modulehub/core";
import { z } from "zod";
import { isStorable } from "../database/storable.ts";

/** Where the next page of a list begins, as text that clients hand back unread. */
export const encodeCursor = (position: unknown): string =>
  Buffer.from(JSON.stringify(position)).toString("base64url");

/** A moment in a cursor, as `toISOString` spells it, in a year that PostgreSQL knows. */
export const moment = z.iso.datetime({ precision: 3 }).regex(/^(?!0000)/);

/** Reads a cursor. Throws `invalid-request` for one that this hub did not make for this list. */
export function decodeCursor<T>(schema: z.ZodType<T>, cursor: string): T {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
  } catch (cause) {
    throw problem("invalid-request", "The cursor is damaged; begin the list again.", { cause });
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success || (typeof parsed.data === "string" && !isStorable(parsed.data)))
    throw problem("invalid-request", "The cursor is of another list; begin this one again.");
  return parsed.data;
}
