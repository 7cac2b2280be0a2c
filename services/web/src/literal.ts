/** How JSON is written in a language of the snippets. */
interface Spelling {
  true: string;
  false: string;
  null: string;
  /** The expression that stands for a file of the module as `{"b64": …}`. */
  file(path: string): string;
}

/** Characters that are not seen, or that turn the text around them, and so could hide what a snippet does. */
const UNSEEN = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** A string in double quotes that JSON, TypeScript and Python read alike, with nothing hidden in it. */
export const quoted = (text: string): string =>
  JSON.stringify(text).replace(
    UNSEEN,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** A JSON value as an expression; `{"file": path}` becomes what the spelling says. */
export function literal(value: unknown, spelling: Spelling): string {
  if (value === null || value === undefined) return spelling.null;
  if (typeof value === "boolean") return value ? spelling.true : spelling.false;
  if (typeof value === "string") return quoted(value);
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return `[${value.map((item) => literal(item, spelling)).join(", ")}]`;
  if ("file" in value && typeof value.file === "string" && Object.keys(value).length === 1)
    return spelling.file(value.file);
  return `{${Object.entries(value)
    .map(([name, item]) => `${quoted(name)}: ${literal(item, spelling)}`)
    .join(", ")}}`;
}

/** An argument of a POSIX shell: as it is where it is harmless, else in single quotes. */
export const shellQuoted = (text: string): string =>
  /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
