import type { ByteRange } from "../blobs/blob-store.ts";

/**
 * The range that a `Range` header asks for, of a body of `size` bytes (RFC 9110, section 14). Undefined where
 * the whole body is to be sent: no header, another unit, a broken one, or several ranges at once.
 */
export function parseRange(
  header: string | undefined,
  size: number,
): ByteRange | "unsatisfiable" | undefined {
  const match = /^bytes=(\d{0,16})-(\d{0,16})$/.exec(header ?? "");
  if (match === null) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return undefined;
  if (first === "") {
    if (Number(last) === 0) return "unsatisfiable";
    // The last bytes of an empty body are all of it, which no Content-Range can say.
    return size === 0 ? undefined : { start: Math.max(size - Number(last), 0), end: size - 1 };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return undefined;
  if (start >= size) return "unsatisfiable";
  return { start, end: last === "" ? size - 1 : Math.min(Number(last), size - 1) };
}
