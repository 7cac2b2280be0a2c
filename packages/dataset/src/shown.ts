/** How many characters of a text are told. */
const MOST = 60;

/**
 * A value of JSON as a message tells it: the beginning of a text, a number, a truth value, null; of anything else what
 * it is, for a list may be endless and an object nested deeper than `JSON.stringify` goes.
 */
export function shown(value: unknown): string {
  if (typeof value === "string")
    return `${JSON.stringify(value.slice(0, MOST))}${value.length > MOST ? "…" : ""}`;
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
