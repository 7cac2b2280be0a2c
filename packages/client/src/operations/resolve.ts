import { digestSchema, formatHandle, parseHandle } from "@modulehub/core";
import { z } from "zod";
import { UnexpectedAnswerError } from "../connection-error.ts";
import type { Transport } from "../transport.ts";

/** An answer of `GET /v1/resolve`. */
export const resolvePage = z.looseObject({
  handle: z.string(),
  module: z.string(),
  version: z.int(),
  digest: digestSchema,
  /** 40 hex digits: the version with its current documentation. */
  revision: z.string().optional(),
  url: z.string(),
  /** That the version was withdrawn, and why: it is still whole, but its publisher advises against it. */
  yanked: z.looseObject({ reason: z.string(), at: z.string() }).optional(),
  files: z.array(z.looseObject({ path: z.string(), size: z.int(), digest: digestSchema, url: z.string() })),
  next: z.string().optional(),
});

/** An exact version: its handle with the number, its digest, and where each of its files lies. */
export type Resolved = z.infer<typeof resolvePage>;

/** More than any hub takes: a list without an end would fill the memory. */
const MAX_FILES = 100_000;

/**
 * All files of the version that a handle means, however many pages they come in. The pages after the first are
 * asked of the exact version, since what a handle means may change in between. Throws as `Transport.call` does,
 * and UnexpectedAnswerError where the answer is of another version than was asked for.
 */
export async function resolve(
  transport: Transport,
  handle: string,
  options: { signal?: AbortSignal } = {},
): Promise<Resolved> {
  const asked = parseHandle(handle);
  const get = (handle: string, cursor?: string) =>
    transport.call("GET", "v1/resolve", resolvePage, { query: { handle, cursor }, signal: options.signal });
  const wrong = (what: string) => new UnexpectedAnswerError(transport.url, 200, what);
  const { next: second, ...resolved } = await get(formatHandle(asked));
  const { reference } = asked;
  if (
    (reference.kind === "version" && reference.version !== resolved.version) ||
    (reference.kind === "digest" && reference.digest !== resolved.digest)
  )
    throw wrong("another version than was asked for");
  const exact = second === undefined ? resolved.handle : formatHandle(parseHandle(resolved.handle));
  for (let next = second; next !== undefined; ) {
    const more = await get(exact, next);
    if (more.digest !== resolved.digest) throw wrong("a page of another version");
    resolved.files.push(...more.files);
    if (more.files.length === 0 || resolved.files.length > MAX_FILES)
      throw wrong("a list of files without an end");
    next = more.next;
  }
  return resolved;
}
