import { readFileSync } from "node:fs";
import { z } from "zod";

/** Settings that don't fit; the message names each, and lists all that there are. */
export class SettingsError extends Error {}

/**
 * Reads a service's settings from its environment. One that is empty counts as absent. Instead of NAME there may be
 * NAME_FILE, the path of a file that holds the value: secrets are mounted so, and `ps` doesn't show them. Throws
 * SettingsError.
 */
export function readSettings<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  environment: Readonly<Record<string, string | undefined>>,
): z.output<z.ZodObject<Shape>> {
  const values: Record<string, string> = {};
  const faults: string[] = [];
  for (const name of Object.keys(schema.shape)) {
    const own = environment[name];
    const file = environment[`${name}_FILE`];
    if (own && file) faults.push(`  ${name}: is given, and ${name}_FILE too; give one`);
    else if (own) values[name] = own;
    else if (file) {
      const content = contentOf(file);
      if ("fault" in content) faults.push(`  ${name}_FILE: ${content.fault}`);
      else values[name] = content.text;
    }
  }
  const parsed = schema.safeParse(values);
  if (faults.length === 0 && parsed.success) return parsed.data;
  for (const { path, message } of parsed.error?.issues ?? []) faults.push(`  ${path.join(".")}: ${message}`);
  const all = Object.entries(schema.shape).map(([name, field]) => `  ${name}  ${descriptionOf(field)}`);
  throw new SettingsError(
    `Settings that do not fit:\n${faults.join("\n")}\n\nSettings (each also as NAME_FILE, the path of a file that holds it):\n${all.join("\n")}\n`,
  );
}

const descriptionOf = (field: unknown): string =>
  field instanceof z.ZodType ? (field.description ?? "") : "";

/** A file's text; editors and secret stores end it with a line. */
function contentOf(path: string): { text: string } | { fault: string } {
  try {
    return { text: readFileSync(path, "utf8").replace(/\r?\n$/, "") };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : error;
    return { fault: `the file can't be read (${code})` };
  }
}
