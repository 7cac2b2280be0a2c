import { digestSchema } from "@modulehub/core";
import { z } from "zod";
import { UnexpectedAnswerError } from "../connection-error.ts";
import type { Transport } from "../transport.ts";

const counts = z.array(z.looseObject({ value: z.string(), count: z.int() }));

/** A page of modules, as `GET /v1/modules` answers it. */
export const modulePage = z.looseObject({
  items: z.array(
    z.looseObject({
      module: z.string(),
      publisher: z.string(),
      visibility: z.enum(["public", "private"]),
      createdAt: z.string(),
      title: z.string().optional(),
      description: z.string().optional(),
      domain: z.string().optional(),
      architecture: z.string().optional(),
      license: z.string().optional(),
      languages: z.array(z.string()).optional(),
      datasets: z.array(z.string()).optional(),
      baseModels: z.array(z.string()).optional(),
      tags: z.array(z.string()).optional(),
      dtypes: z.array(z.string()).optional(),
      latest: z
        .looseObject({
          version: z.int(),
          digest: digestSchema,
          task: z.string(),
          publishedAt: z.string(),
          size: z.int(),
        })
        .optional(),
    }),
  ),
  next: z.string().optional(),
  capped: z.literal(true).optional(),
  facets: z
    .looseObject({
      counted: z.int(),
      approximate: z.boolean(),
      values: z.looseObject({
        task: counts,
        license: counts,
        language: counts,
        dtype: counts,
        publisher: counts,
      }),
    })
    .optional(),
});

/**
 * A module as lists tell it: what its card says, and its latest version with the bytes of all files. These are
 * absent where nothing is published, or everything yanked.
 */
export type FoundModule = z.infer<typeof modulePage>["items"][number];

/** One value, or several of which a module has any. */
export type OneOrMore = string | readonly string[];

/** What is looked for; nothing: everything that the token may see. Modules that are found fit all that is given. */
export interface SearchQuery {
  /** Words of name, title, description, tags or README; the last may be cut short. At most 200 characters. */
  q?: string;
  task?: OneOrMore;
  publisher?: OneOrMore;
  /** Of an input or an output, such as `float32`. */
  dtype?: OneOrMore;
  /** An input's name, its dtype, or `name:dtype`. */
  input?: OneOrMore;
  /** An output's name, its dtype, or `name:dtype`. */
  output?: OneOrMore;
  /** As the card says it, such as `mit`. */
  license?: OneOrMore;
  /** As the card says it, such as `en`. */
  language?: OneOrMore;
  tag?: OneOrMore;
  /** Default: relevance where there are words, otherwise name. Of very many, 500 are ranked. */
  sort?: "relevance" | "name" | "recent" | "size";
}

export interface SearchOptions {
  /** Modules asked for at once; more are asked for as they are read. */
  pageSize?: number;
  signal?: AbortSignal;
}

/** The modules that fit words, or words and filters, page after page as they are read. Throws as Hub says. */
export async function* search(
  transport: Transport,
  query: string | SearchQuery = {},
  options: SearchOptions = {},
): AsyncGenerator<FoundModule, void> {
  const { pageSize: limit, signal } = options;
  const sent = typeof query === "string" ? { q: query } : query;
  let cursor: string | undefined;
  do {
    const page = await transport.call("GET", "v1/modules", modulePage, {
      query: { ...sent, limit, cursor },
      signal,
    });
    yield* page.items;
    if (page.next !== undefined && page.next === cursor)
      throw new UnexpectedAnswerError(transport.url, 200, "a page that names itself as the next");
    cursor = page.next;
  } while (cursor !== undefined);
}
