import {
  batchingSchema,
  digestSchema,
  type Handle,
  isVersion,
  type ModuleName,
  parseModuleName,
  parseReference,
  problem,
  type Reference,
} from "@modulehub/core";
import { z } from "zod";
import { isStorable } from "../database/storable.ts";

/** Forms that several resources share. */

/** Text that goes to the database. */
export const text = (max: number, min = 0) =>
  z.string().min(min).max(max).refine(isStorable, "must not hold NUL or half of a surrogate pair");

/** What an account or a publisher is to be called: something that can be seen. */
export const displayNameInput = text(200).trim().min(1);

export const digestText = z.string().meta({ pattern: "^sha256:[0-9a-f]{64}$" });

export const digestInput = digestSchema.meta({ type: "string", pattern: "^sha256:[0-9a-f]{64}$" });

/** A state of a module, as Hugging Face's clients name it. */
export const revisionText = z.string().meta({ pattern: "^[0-9a-f]{40}$" });

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().max(2048).optional(),
});

export const problemDocument = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string().optional(),
    requestId: z.string().optional(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    retryAfter: z.number().optional(),
  })
  .meta({ id: "Problem", description: "RFC 9457, with a code of the hub's catalogue." });

export const versionFile = z
  .object({
    path: z.string(),
    size: z.int().min(0),
    digest: digestText,
    role: z.enum(["graph", "weights", "asset", "doc"]),
  })
  .meta({ id: "VersionFile" });

/** Why and when a version was withdrawn. */
export const yanked = z.object({ reason: z.string(), at: z.string() });

export const batchingBySignature = z.record(z.string(), batchingSchema);

/** `{module}` of an internal route: the name that core has taken apart already, checked once more. */
export const moduleParams = z.object({ module: z.string() });
export const versionParams = moduleParams.extend({ version: z.string() });

/** A handle's parts, from the parameters of a route; without a version the latest is meant. */
export function handleOf(params: { module: string; version?: string }): Handle {
  const module: ModuleName = parseModuleName(params.module);
  const reference: Reference =
    params.version === undefined ? { kind: "latest" } : parseReference(params.version);
  return { module, reference };
}

/**
 * A version by its number only, as what changes one wants it: sent twice, `latest` would mean two versions, and an
 * alias may have moved in between. `example` is such an address.
 */
export function exactVersion(
  params: z.infer<typeof versionParams>,
  example: string,
): { module: ModuleName; version: number } {
  const module = parseModuleName(params.module);
  if (!isVersion(params.version))
    throw problem("invalid-request", `Name the version by its number: ${example}.`);
  return { module, version: Number(params.version) };
}
