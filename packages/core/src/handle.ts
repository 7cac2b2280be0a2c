import { type Digest, isDigest } from "./digest.ts";
import { problem } from "./problem.ts";
import { isReserved, RESERVED_PUBLISHERS, RESERVED_SEGMENTS } from "./reserved.ts";

declare const moduleBrand: unique symbol;
/** `publisher/name…`, checked against the grammar. */
export type ModuleName = string & { readonly [moduleBrand]: true };

/** Which version of a module is meant. */
export type Reference =
  | { kind: "latest" }
  | { kind: "version"; version: number }
  | { kind: "alias"; alias: string }
  | { kind: "digest"; digest: Digest };

/** How code names a module: the module, and which version of it. */
export interface Handle {
  module: ModuleName;
  reference: Reference;
}

/** Publisher and name together, in characters. */
export const MAX_MODULE_LENGTH = 96;
const MAX_SEGMENTS = 8;

const PUBLISHER = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;
const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
/** The highest number that a version may have. */
export const MAX_VERSION = 999_999_999;
const VERSION = /^[1-9]\d{0,8}$/;
const ALIAS = /^[A-Za-z_][\w.-]{0,127}$/;

/** Why a publisher's name is not allowed; undefined where it is. */
export const publisherFault = (publisher: string): string | undefined => ownerFault("A publisher", publisher);

/** Why an account's name is not allowed; undefined where it is. It has a publisher's grammar. */
export const accountFault = (account: string): string | undefined => ownerFault("An account", account);

function ownerFault(what: string, name: string): string | undefined {
  if (!PUBLISHER.test(name) || name.includes("--"))
    return `${what} is 1 to 64 lower-case letters, digits and single dashes, beginning and ending with a letter or digit.`;
  if (isReserved(RESERVED_PUBLISHERS, name)) return `${what} can't be named ${name}: the word is reserved.`;
  return undefined;
}

/** Why `publisher/name…` is not allowed; undefined where it is. */
export function moduleNameFault(text: string): string | undefined {
  if (text.length > MAX_MODULE_LENGTH)
    return `A module's name, publisher included, has at most ${MAX_MODULE_LENGTH} characters.`;
  const [publisher = "", ...segments] = text.split("/");
  const fault = publisherFault(publisher);
  if (fault) return fault;
  if (segments.length === 0) return "A module is named publisher/name.";
  if (segments.length > MAX_SEGMENTS) return `A name has at most ${MAX_SEGMENTS} segments.`;
  for (const segment of segments) {
    if (!SEGMENT.test(segment) || segment.includes("..") || segment.includes("--"))
      return "Each segment of a name is letters, digits, _ . and -, beginning with a letter, digit or _, without '..' or '--'.";
    if (/\.git$/i.test(segment)) return "No segment of a name may end in .git.";
    if (isReserved(RESERVED_SEGMENTS, segment)) return `The name segment ${segment} is reserved.`;
  }
  if (/^\d+$/.test(segments.at(-1)!)) return "The last segment of a name must not be a number.";
  return undefined;
}

/** `publisher/name…` as a ModuleName. Throws `invalid-name` with the rule that it breaks. */
export function parseModuleName(text: string): ModuleName {
  const fault = moduleNameFault(text);
  if (fault) throw problem("invalid-name", fault);
  return text as ModuleName;
}

/** The publisher of a module. */
export const publisherOf = (module: ModuleName): string => module.slice(0, module.indexOf("/"));

/** Whether a word can be an alias: the grammar, and none of the words that mean something already. */
export function isAlias(text: string): boolean {
  return ALIAS.test(text) && !/^(latest|main|head|[0-9a-f]{40})$/i.test(text);
}

/** A version number: an integer from 1 to 999,999,999. */
export const isVersion = (text: string): boolean => VERSION.test(text);

/** `{version}` in a path: an integer, `latest`, an alias or a digest. Throws `version-not-found`. */
export function parseReference(text: string): Reference {
  if (isVersion(text)) return { kind: "version", version: Number(text) };
  if (text === "latest") return { kind: "latest" };
  if (isDigest(text)) return { kind: "digest", digest: text };
  if (isAlias(text)) return { kind: "alias", alias: text };
  throw problem("version-not-found", "A version is an integer from 1 up, an alias or a sha256: digest.");
}

/**
 * Reads a handle: `publisher/name…`, then nothing, `/3`, `@alias` or `@sha256:…`. Also takes the handle's
 * URL on any hub, whose address is left out, and decodes it. Throws `invalid-handle` with the rule it breaks.
 */
export function parseHandle(text: string): Handle {
  const path = /^https?:\/\//i.test(text) ? pathOfUrl(text) : text;
  const at = path.indexOf("@");
  let name = at < 0 ? path : path.slice(0, at);
  let reference: Reference = { kind: "latest" };
  if (at >= 0) {
    const word = path.slice(at + 1);
    if (isDigest(word)) reference = { kind: "digest", digest: word };
    else if (word !== "latest" && !isAlias(word))
      throw problem(
        "invalid-handle",
        "After @ comes an alias or a sha256: digest; a version's number comes after a slash.",
      );
    else if (word !== "latest") reference = { kind: "alias", alias: word };
  } else {
    const slash = name.lastIndexOf("/");
    const last = name.slice(slash + 1);
    if (/^\d+$/.test(last)) {
      if (!isVersion(last))
        throw problem("invalid-handle", `A version is an integer from 1 to ${MAX_VERSION}.`);
      reference = { kind: "version", version: Number(last) };
      name = name.slice(0, slash);
    }
  }
  const fault = moduleNameFault(name);
  if (fault) throw problem("invalid-handle", fault);
  return { module: name as ModuleName, reference };
}

/** What follows the hub's address in a handle's URL, without a query, fragment or trailing slash. */
function pathOfUrl(url: string): string {
  const path = url.replace(/^https?:\/\/[^/?#]*\/?/i, "").replace(/\/?(?:[?#].*)?$/s, "");
  if (/%2f/i.test(path)) throw problem("invalid-handle", "A handle's URL holds no encoded slash.");
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw problem("invalid-handle", "The handle's URL holds a broken percent escape.", { cause });
  }
}

/** The handle as text; `parseHandle` reads it back to an equal one. */
export function formatHandle({ module, reference }: Handle): string {
  switch (reference.kind) {
    case "latest":
      return module;
    case "version":
      return `${module}/${reference.version}`;
    case "alias":
      return `${module}@${reference.alias}`;
    case "digest":
      return `${module}@${reference.digest}`;
  }
}

/** How Hugging Face's clients name the module: one slash, segments joined by dots. */
export function hfName(module: ModuleName): string {
  const [publisher, ...segments] = module.split("/");
  return `${publisher}/${segments.join(".")}`;
}

/** How OCI clients name the module. */
export const ociName = (module: ModuleName): string => module.toLowerCase();
