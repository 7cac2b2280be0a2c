/** Longest path of a file in a module, in UTF-8 bytes. */
export const MAX_FILE_PATH_BYTES = 512;

/**
 * Whether a path of a file in a module is safe on every system it may be unpacked on: relative, `/` between
 * segments, no empty, `.` or `..` segment, no backslash, colon, control character or other character that
 * Windows forbids, no segment ending in a dot or space, none that is a device's name there.
 */
export function isSafeFilePath(path: string): boolean {
  if (
    path.length === 0 ||
    new TextEncoder().encode(path).length > MAX_FILE_PATH_BYTES ||
    !path.isWellFormed()
  )
    return false;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  if (/[\u0000-\u001f\u007f\\:*?"<>|]/.test(path)) return false;
  return path
    .split("/")
    .every(
      (segment) =>
        segment !== "" && segment !== "__proto__" && !/[. ]$/.test(segment) && !DEVICE.test(segment),
    );
}

/** Names that Windows gives to devices, whatever follows the dot. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** A file's path, or a module's name, as it stands in a URL: its segments escaped, its slashes kept. */
export const inUrl = (path: string): string => path.split("/").map(encodeURIComponent).join("/");

/** What a file of a version is for. */
export type FileRole = "graph" | "weights" | "asset" | "doc";
