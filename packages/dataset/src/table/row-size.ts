import type { DataReading } from "@modulehub/core";

/** The most bytes of a row: enough for a text that is too long to be told as one, or for an image in Base64. */
export const maxRowBytes = ({ columns }: DataReading): number =>
  (columns.image === undefined ? 16 : 48) * 2 ** 20;
