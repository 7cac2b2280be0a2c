import { type ModuleName, moduleNameFault } from "./handle.ts";
import { problem } from "./problem.ts";
import { isReserved, RESERVED_PUBLISHERS, RESERVED_SEGMENTS } from "./reserved.ts";

/**
 * Module names contain slashes and routers have wildcards only at the end, so a request's path is rewritten,
 * before routing, to an internal one in which the name is a single parameter:
 *
 *     /v1/modules/{p}/{name…}/versions/3/infer   →   /-/modules/{p%2Fname…}/versions/3/infer
 *     /{p}/{name…}/3                             →   /-/handle/{p%2Fname…%2F3}
 *
 * Internal paths begin with a segment that no publisher can have, and are refused when a client sends them.
 */
export const INTERNAL_PREFIX = "/-/";

/** The longest path that is looked at, in characters; every legal one is far shorter. */
export const MAX_PATH_LENGTH = 4096;

/**
 * The internal path of a request's raw URL (path and query as sent). A path that concerns no module comes
 * back as it was. Throws `invalid-path` for `.`, `..`, empty segments, NUL, backslashes, encoded slashes and
 * broken escapes, in any encoding, `invalid-name` where the name of a module breaks its grammar, and
 * `not-found` for an internal path.
 */
export function internalUrl(rawUrl: string): string {
  const question = rawUrl.indexOf("?");
  const path = question < 0 ? rawUrl : rawUrl.slice(0, question);
  const query = question < 0 ? "" : rawUrl.slice(question);
  const segments = checkedSegments(path);
  if (segments[0] === "-") throw problem("not-found");
  if (segments[0] === "v1" && segments[1] === "modules" && segments[2])
    return moduleRoute(segments.slice(2)) + query;
  const first = segments[0];
  if (first === undefined || segments.length < 2 || isReserved(RESERVED_PUBLISHERS, first)) return rawUrl;
  return `${INTERNAL_PREFIX}handle/${encodeURIComponent(segments.map(decodeURIComponent).join("/"))}${query}`;
}

/** A rewritten path as a client would have sent it, for the OpenAPI document and for logs. */
export function publicPath(internal: string): string {
  return internal
    .replace(/^\/-\/modules\/(:module|\{module\})/, "/v1/modules/{publisher}/{name}")
    .replace(/^\/-\/handle\/(:handle|\{handle\})/, "/{handle}");
}

/** Splits `{p}/{name…}/{rest…}`: the leftmost reserved word after the publisher and a segment ends the name. */
function moduleRoute(segments: string[]): string {
  let end = segments.findIndex((segment, index) => index >= 2 && isReserved(RESERVED_SEGMENTS, segment));
  if (end < 0) end = segments.length;
  const name = segments.slice(0, end).map(decodeURIComponent).join("/");
  const fault = moduleNameFault(name);
  if (fault) throw problem("invalid-name", fault);
  return [`${INTERNAL_PREFIX}modules`, encodeURIComponent(name as ModuleName), ...segments.slice(end)].join(
    "/",
  );
}

/** The raw segments of a path that has nothing hidden in it. One trailing slash counts as no segment. */
function checkedSegments(path: string): string[] {
  if (path.length > MAX_PATH_LENGTH) throw problem("invalid-path", "The path is too long.");
  if (!path.startsWith("/")) throw problem("invalid-path", "The path must begin with a slash.");
  if (path === "/") return [];
  // Routers end a path here, so that they would see another one than was checked.
  if (path.includes("#")) throw problem("invalid-path", "The path holds a fragment.");
  const segments = path.slice(1).split("/");
  for (const [index, segment] of segments.entries()) {
    if (segment === "" && index === segments.length - 1 && index > 0) continue;
    checkSegment(segment);
  }
  return segments;
}

function checkSegment(segment: string): void {
  let decoded: string;
  try {
    decoded = decodeURIComponent(segment);
  } catch (cause) {
    throw problem("invalid-path", "The path holds a broken percent escape.", { cause });
  }
  if (decoded === "" || decoded === "." || decoded === "..")
    throw problem("invalid-path", "The path holds an empty, '.' or '..' segment.");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  if (/[/\\\u0000-\u001f\u007f]/.test(decoded) || !decoded.isWellFormed())
    throw problem("invalid-path", "The path holds an encoded slash, a backslash or a control character.");
}
