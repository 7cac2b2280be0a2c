import { DTYPE_NAMES } from "@modulehub/core";
import { z } from "zod";
import { type ModuleQuery, SORTS } from "../registry/find-modules.ts";
import { text } from "./schemas.ts";

/** Values of one filter at once. */
const MAX_VALUES = 20;

const lowerCase = (value: unknown) => (typeof value === "string" ? value.toLowerCase() : value);
const DTYPES = ["image", ...DTYPE_NAMES] as const;

/** A filter, given once or several times; forms send those that were left alone too, empty. */
const filter = <T extends z.ZodType<string>>(value: T, description: string) =>
  z
    .preprocess(
      (given) => [given ?? []].flat().filter((each) => each !== ""),
      z.array(value).max(MAX_VALUES).default([]),
    )
    .meta({ description });

const value = text(200).trim();

/** What is looked for, as it stands in an address: in the API's and in that of a page. */
export const moduleQuery = z.object({
  q: text(200)
    .default("")
    .meta({ description: "Words of name, title, description, tags or README; the last may be cut short" }),
  task: filter(value, "Such as text-embedding; several: any of them, as of every filter"),
  publisher: filter(text(64), "Who owns the module"),
  dtype: filter(z.preprocess(lowerCase, z.enum(DTYPES)), "Of an input or an output, such as float32"),
  input: filter(value, "An input's name, its dtype, or name:dtype, such as text:string"),
  output: filter(value, "An output's name, its dtype, or name:dtype"),
  license: filter(value, "As the card says it, such as mit"),
  language: filter(value, "As the card says it, such as en"),
  tag: filter(value, "One of the card's tags"),
  sort: z
    .preprocess((given) => (given === "" ? undefined : given), z.enum(SORTS).optional())
    .meta({ description: "Default: relevance with q, otherwise name" }),
});

/** The same, as the registry takes it. */
export function queryFrom({ q, sort, ...filters }: z.infer<typeof moduleQuery>): ModuleQuery {
  return { ...filters, q, sort };
}
