import { fieldErrors } from "@modulehub/core";
import type { z } from "zod";
import { UsageError } from "../exit-code.ts";
import { asNumber } from "./numbers.ts";

/**
 * Reads what has a name and settings of its own, `adagrad,initial-accumulator=0`, as a schema of the hub wants it.
 * Throws UsageError.
 */
export const namedSettings =
  <T extends z.ZodType>(option: string, schema: T, names: readonly string[]) =>
  (text: string): z.input<T> => {
    const [name = "", ...pairs] = text.split(",");
    if (!names.includes(name)) throw new UsageError(`${option} is one of ${names.join(", ")}, not ${name}.`);
    const settings: Record<string, unknown> = { name };
    for (const pair of pairs) {
      const [key = "", value = ""] = pair.split("=", 2);
      const known = value === "true" || (value === "false" ? false : asNumber(value));
      if (known === undefined || key === "")
        throw new UsageError(`${option} takes settings as ${name},key=number, not ${pair}.`);
      settings[key.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())] = known;
    }
    const parsed = schema.safeParse(settings);
    if (parsed.success) return settings as z.input<T>;
    const [fault] = fieldErrors(parsed.error.issues);
    throw new UsageError(`${option}: ${fault?.path === "" ? "" : `${fault?.path} `}${fault?.message}`);
  };
