import { parse } from "yaml";
import { z } from "zod";

/**
 * What a module is about: the YAML front matter of its README.md, in Hugging Face's words (`language`,
 * `license`, `datasets`, `base_model`, `tags`) and the hub's own (`title`, `description`, `domain`, `architecture`).
 * Publishers write it freely, so everything may be absent, and nothing in it is trusted.
 */
export interface Card {
  title?: string;
  /** A line; without it, lists show the first paragraph. */
  description?: string;
  domain?: string;
  architecture?: string;
  license?: string;
  languages: string[];
  datasets: string[];
  baseModels: string[];
  tags: string[];
  /** Why the front matter could not be read. */
  fault?: string;
}

/** A README taken apart. */
export interface Readme {
  card: Card;
  /** Markdown without the front matter. */
  body: string;
}

/** Front matter beyond this many characters is not read. */
const MAX_FRONT_MATTER = 16_384;
const MAX_VALUES = 20;
const MAX_VALUE = 200;

const scalar = z.union([z.string(), z.number(), z.boolean()]).transform((value) => cut(String(value)));
const text = scalar
  .optional()
  .catch(undefined)
  .transform((value) => value || undefined);
const texts = z
  .union([
    z
      .array(z.unknown())
      .transform((items) => items.slice(0, MAX_VALUES).flatMap((item) => scalar.safeParse(item).data ?? [])),
    scalar.transform((value) => [value]),
  ])
  .catch([])
  .transform((items) => items.filter((item) => item !== ""));

const frontMatter = z.object({
  title: text,
  description: text,
  domain: text,
  architecture: text,
  license: text,
  license_name: text,
  language: texts,
  datasets: texts,
  base_model: texts,
  tags: texts,
});

/** Takes a README.md apart; never throws, as a README can't be refused for its card. */
export function readReadme(source: string): Readme {
  const normal = source.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
  const match = /^---[ \t]*\n([\s\S]*?)(?:\n|(?<=\n))---[ \t]*(?:\n|$)/.exec(normal);
  if (!match) return { card: { ...EMPTY }, body: normal };
  const body = normal.slice(match[0].length);
  return { card: readCard(withoutResults(match[1]!)), body };
}

const EMPTY: Card = { languages: [], datasets: [], baseModels: [], tags: [] };

function readCard(yaml: string): Card {
  if (yaml.length > MAX_FRONT_MATTER)
    return { ...EMPTY, fault: `The front matter has more than ${MAX_FRONT_MATTER} characters.` };
  let value: unknown;
  try {
    // Aliases could multiply a small text into a large object; cards need none.
    value = parse(yaml, { maxAliasCount: 0, logLevel: "error", stringKeys: true });
  } catch (error) {
    const reason = error instanceof Error ? cut(error.message.split("\n")[0]!) : "";
    return { ...EMPTY, fault: `The front matter is not YAML that can be read: ${reason}` };
  }
  const parsed = frontMatter.safeParse(value ?? {});
  if (!parsed.success) return { ...EMPTY, fault: "The front matter is not a list of names and values." };
  const { title, description, domain, architecture, license, license_name, language } = parsed.data;
  const { datasets, base_model, tags } = parsed.data;
  return {
    title,
    description,
    domain,
    architecture,
    // Hugging Face: "other" stands for a licence that license_name names.
    license: license === "other" || license === undefined ? (license_name ?? license) : license,
    languages: language,
    datasets,
    baseModels: base_model,
    tags,
  };
}

/** `model-index` holds benchmark results, often longer than all the rest, which no page shows. */
function withoutResults(yaml: string): string {
  return yaml.replace(/^model-index:.*\n(?:(?:[ \t-].*)?\n)*(?:[ \t-].*$)?/m, "");
}

function cut(value: string): string {
  const line = value.replace(/\s+/g, " ").trim();
  return line.length > MAX_VALUE ? `${line.slice(0, MAX_VALUE)}…` : line;
}
