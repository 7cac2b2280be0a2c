import { digestSchema } from "@modulehub/core";
import { z } from "zod";
import { UnexpectedAnswerError } from "../connection-error.ts";
import type { Transport } from "../transport.ts";

/** A page of modules, as `GET /v1/modules` answers it. */
export const modulePage = z.looseObject({
  items: z.array(
    z.looseObject({
      module: z.string(),
      publisher: z.string(),
      visibility: z.enum(["public", "private"]),
      createdAt: z.string(),
      latest: z
        .looseObject({
          version: z.int(),
          digest: digestSchema,
          task: z.string(),
          publishedAt: z.string(),
        })
        .optional(),
    }),
  ),
  next: z.string().optional(),
});

/** A module as lists tell it; `latest` is absent where nothing is published, or everything yanked. */
export type FoundModule = z.infer<typeof modulePage>["items"][number];

/** What is looked for; nothing: everything that the token may see. */
export interface SearchQuery {
  publisher?: string;
}

export interface SearchOptions {
  /** Modules asked for at once; more are asked for as they are read. */
  pageSize?: number;
  signal?: AbortSignal;
}

/** The modules that fit, in the hub's order, page after page as they are read. Throws as Hub says. */
export async function* search(
  transport: Transport,
  query: SearchQuery = {},
  options: SearchOptions = {},
): AsyncGenerator<FoundModule, void> {
  const { pageSize: limit, signal } = options;
  let cursor: string | undefined;
  do {
    const page = await transport.call("GET", "v1/modules", modulePage, {
      query: { ...query, limit, cursor },
      signal,
    });
    yield* page.items;
    if (page.next !== undefined && page.next === cursor)
      throw new UnexpectedAnswerError(transport.url, 200, "a page that names itself as the next");
    cursor = page.next;
  } while (cursor !== undefined);
}
