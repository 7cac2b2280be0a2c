/** Sizes, counts and dates as people read them. */

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/** A number of bytes with three digits, in powers of 1,000. */
export function byteSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  if (unit === 0) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  return `${value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)} ${UNITS[unit]}`;
}

/** A whole number with its thousands apart. */
export const count = (value: number): string => value.toLocaleString("en");

/** "1 file", "2 files". */
export const plural = (value: number, word: string): string =>
  `${count(value)} ${word}${value === 1 ? "" : "s"}`;

/** A day in UTC, such as 23 November 2026. */
export const day = (iso: string): string =>
  new Date(iso).toLocaleDateString("en-GB", {
    day: "numeric",
    month: "long",
    year: "numeric",
    timeZone: "UTC",
  });
