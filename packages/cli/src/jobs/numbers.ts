import { UsageError } from "../exit-code.ts";

/** Reads an option's value as a whole number from `least` up. Throws UsageError. */
export const wholeNumber =
  (option: string, least: number) =>
  (text: string): number => {
    if (/^\d{1,10}$/.test(text) && Number(text) >= least) return Number(text);
    throw new UsageError(`${option} takes a whole number from ${least} up, not ${text}.`);
  };

/** Reads an option's value as a number of at least, or above, 0. Throws UsageError. */
export const realNumber =
  (option: string, zero: "from 0 up" | "above 0") =>
  (text: string): number => {
    const value = asNumber(text);
    if (value !== undefined && (zero === "from 0 up" ? value >= 0 : value > 0)) return value;
    throw new UsageError(`${option} takes a number ${zero}, not ${text}.`);
  };

/** Reads an option's value as a share of a whole. Throws UsageError. */
export const share =
  (option: string, most: number) =>
  (text: string): number => {
    const value = asNumber(text);
    if (value !== undefined && value >= 0 && value <= most) return value;
    throw new UsageError(`${option} takes a share from 0 to ${most}, such as 0.1, not ${text}.`);
  };

/** Undefined for what is no decimal number. */
export function asNumber(text: string): number | undefined {
  return /^(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) && Number.isFinite(Number(text))
    ? Number(text)
    : undefined;
}
