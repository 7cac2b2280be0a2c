import type { DataReading } from "@modulehub/core";

/** The most bytes of a row: enough for a text that is too long to be told as one, or for an image in Base64. */
export const maxRowBytes = ({ columns }: DataReading): number =>
  (columns.image === undefined ? 16 : 48) * 2 ** 20;

/** The most fields of a row, of which each is an object in memory, an empty one too. */
export const MAX_ROW_FIELDS = 10_000;
