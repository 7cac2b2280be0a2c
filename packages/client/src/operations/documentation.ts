import { digestSchema } from "@modulehub/core";
import { z } from "zod";
import type { Transport } from "../transport.ts";
import type { PageOptions } from "./list-modules.ts";
import { versionPath } from "./module-path.ts";

const about = {
  revision: z.int(),
  createdAt: z.string(),
  by: z.string().optional(),
  message: z.string().optional(),
};

/** An answer about a version's documentation. */
export const documentationAnswer = z.looseObject({
  ...about,
  module: z.string(),
  version: z.int(),
  current: z.int(),
  card: z.looseObject({
    title: z.string().optional(),
    description: z.string().optional(),
    domain: z.string().optional(),
    architecture: z.string().optional(),
    license: z.string().optional(),
    languages: z.array(z.string()),
    datasets: z.array(z.string()),
    baseModels: z.array(z.string()),
    tags: z.array(z.string()),
  }),
  files: z.array(z.looseObject({ path: z.string(), size: z.int(), digest: digestSchema, url: z.string() })),
});

/** A revision of a version's documentation: its card, its files, who made it, and which revision is current. */
export type Documentation = z.infer<typeof documentationAnswer>;

/** An answer of `GET …/documentation/revisions`. */
export const documentationPage = z.looseObject({
  items: z.array(
    z.looseObject({
      ...about,
      changes: z.looseObject({
        count: z.int(),
        first: z.array(z.looseObject({ path: z.string(), change: z.enum(["added", "changed", "removed"]) })),
      }),
    }),
  ),
  next: z.string().optional(),
});

/** A page of revisions, newest first: who made each, when, and what it changed. */
export type DocumentationPage = z.infer<typeof documentationPage>;

/** The documentation of the version that a handle means. Throws `documentation-not-found`, and as `Transport.call`. */
export async function documentation(
  transport: Transport,
  handle: string,
  options: { revision?: number; signal?: AbortSignal } = {},
): Promise<Documentation> {
  const { revision, signal } = options;
  const path = `${versionPath(handle)}/documentation`;
  return transport.call("GET", path, documentationAnswer, { query: { revision }, signal });
}

/** A page of the revisions of that documentation. Throws as `Transport.call` does. */
export async function listDocumentation(
  transport: Transport,
  handle: string,
  options: PageOptions = {},
): Promise<DocumentationPage> {
  const path = `${versionPath(handle)}/documentation/revisions`;
  return transport.call("GET", path, documentationPage, { query: { ...options } });
}
