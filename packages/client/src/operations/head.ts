import { digestSchema, parseModuleName, problemDocumentSchema } from "@modulehub/core";
import { z } from "zod";
import type { Transport } from "../transport.ts";
import type { PageOptions } from "./list-modules.ts";

/** An answer about a module's head. */
export const headAnswer = z.looseObject({
  module: z.string(),
  revision: z.string(),
  state: z.enum([
    "empty",
    "published",
    "incomplete",
    "waiting",
    "verifying",
    "rejected",
    "failed",
    "cancelled",
  ]),
  version: z.int().optional(),
  base: z.int().optional(),
  draft: z.string().optional(),
  publishAt: z.string().optional(),
  changedAt: z.string().optional(),
  problems: z.array(problemDocumentSchema).optional(),
  fileCount: z.int(),
  bytes: z.int(),
  files: z.array(z.looseObject({ path: z.string(), size: z.int(), digest: digestSchema })),
  next: z.string().optional(),
});

/**
 * What the writers of a module work on: its revision, what becomes of it, and a page of its files. Without commits of
 * its own it is the latest version.
 */
export type Head = z.infer<typeof headAnswer>;

/** An answer of `GET …/head/commits`. */
export const commitPage = z.looseObject({
  items: z.array(
    z.looseObject({
      revision: z.string(),
      parent: z.string(),
      createdAt: z.string(),
      author: z.string().optional(),
      message: z.string().optional(),
      version: z.int().optional(),
      documentation: z.int().optional(),
    }),
  ),
  next: z.string().optional(),
});

/** A page of the commits that led to a head, newest first, and which version each is. */
export type CommitPage = z.infer<typeof commitPage>;

/** An answer of `GET …/commits/{revision}`. */
export const publishedRevision = z.looseObject({
  module: z.string(),
  revision: z.string(),
  version: z.int(),
  documentation: z.int(),
  digest: digestSchema,
  createdAt: z.string(),
});

/** The version, with which of its documentation, that a revision is published as. */
export type PublishedRevision = z.infer<typeof publishedRevision>;

/** Where a module's head is. Throws `invalid-handle` for what is no module's name. */
export const headPath = (module: string): string => `v1/modules/${parseModuleName(module)}/head`;

/** A module's head with a page of its files. Throws `head-conflict` for the page of an earlier one. */
export function readHead(transport: Transport, module: string, options: PageOptions = {}): Promise<Head> {
  return transport.call("GET", headPath(module), headAnswer, { query: { ...options } });
}

/** A page of a head's commits. Throws as `Transport.call` does. */
export function listCommits(
  transport: Transport,
  module: string,
  options: PageOptions = {},
): Promise<CommitPage> {
  return transport.call("GET", `${headPath(module)}/commits`, commitPage, { query: { ...options } });
}

/**
 * Has a head published now. The answer names the draft that is verified; without one the head is a version already.
 * Throws `manifest-missing`, `version-exists`, and as `Transport.call` does.
 */
export function publishHead(
  transport: Transport,
  module: string,
  options: { version?: number; aliases?: readonly string[] } = {},
): Promise<Head> {
  const { version, aliases } = options;
  return transport.call("POST", `${headPath(module)}/publish`, headAnswer, { body: { version, aliases } });
}

/** Throws the commits away that no version has. */
export function discardHead(transport: Transport, module: string): Promise<Head> {
  return transport.call("DELETE", headPath(module), headAnswer, { retry: "safe" });
}

/** What a revision of a module is published as. Throws `revision-not-found`. */
export function showRevision(
  transport: Transport,
  module: string,
  revision: string,
): Promise<PublishedRevision> {
  const path = `v1/modules/${parseModuleName(module)}/commits/${encodeURIComponent(revision)}`;
  return transport.call("GET", path, publishedRevision);
}
