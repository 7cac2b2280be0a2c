/**
 * Headers of a tar archive in the pax interchange format (POSIX.1-2017, pax, "pax Interchange Format" and
 * "ustar Interchange Format"). They say nothing but path, kind and size, so that the same files always make
 * the same bytes: modes are 0644 and 0755, owner and time are 0.
 */

/** The unit of a tar archive, in bytes: headers and files fill whole blocks. */
export const TAR_BLOCK = 512;

/** The zeros that end an archive, in bytes. */
export const TAR_END = 2 * TAR_BLOCK;

/** A file or a folder in an archive; `path` has no slash at its end, `size` is 0 for a folder. */
export interface TarEntry {
  path: string;
  kind: "file" | "folder";
  size: number;
}

/** The zeros that follow a file's bytes, so that they fill whole blocks. */
export const tarPadding = (size: number): number => (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;

/** The most that eleven octal digits hold: 8 GiB less one byte. */
const MAX_OCTAL_SIZE = 8 ** 11 - 1;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;

/**
 * The header of an entry, in whole blocks. A path that is not ASCII or does not fit ustar's fields, and a
 * size of 8 GiB or more, are in an extended header before it.
 */
export function tarHeader({ path, kind, size }: TarEntry): Buffer {
  const full = kind === "folder" ? `${path}/` : path;
  const split = splitPath(full);
  const records = [
    ...(split === undefined ? [paxRecord("path", full)] : []),
    ...(size > MAX_OCTAL_SIZE ? [paxRecord("size", String(size))] : []),
  ];
  const header = ustarHeader({
    ...(split ?? { prefix: "", name: asciiName(full) }),
    type: kind === "folder" ? "5" : "0",
    mode: kind === "folder" ? 0o755 : 0o644,
    size: size > MAX_OCTAL_SIZE ? 0 : size,
  });
  if (records.length === 0) return header;
  const body = Buffer.concat(records);
  const extended = ustarHeader({
    prefix: "",
    name: "PaxHeader",
    type: "x",
    mode: 0o644,
    size: body.byteLength,
  });
  return Buffer.concat([extended, body, Buffer.alloc(tarPadding(body.byteLength)), header]);
}

/** A path in ustar's two fields, which are joined with a slash; undefined where it does not fit. */
function splitPath(path: string): { prefix: string; name: string } | undefined {
  if (!/^[\x20-\x7e]*$/.test(path)) return undefined;
  if (path.length <= NAME_BYTES) return { prefix: "", name: path };
  // The shortest prefix that leaves a name which fits; the name of a folder keeps its slash.
  const slash = path.indexOf("/", path.length - NAME_BYTES - 1);
  if (slash < 1 || slash > PREFIX_BYTES || slash === path.length - 1) return undefined;
  return { prefix: path.slice(0, slash), name: path.slice(slash + 1) };
}

/** What a program that ignores extended headers shows: never empty, never too long. */
const asciiName = (path: string): string =>
  path.replace(/[^\x20-\x7e]/gu, "_").slice(0, NAME_BYTES - 1) + (path.endsWith("/") ? "/" : "");

/** `"%d %s=%s\n"`, where the number counts its own digits too. */
function paxRecord(keyword: string, value: string): Buffer {
  const rest = Buffer.from(` ${keyword}=${value}\n`);
  let length = rest.byteLength;
  while (String(length).length + rest.byteLength !== length) length = String(length).length + rest.byteLength;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function ustarHeader(fields: {
  prefix: string;
  name: string;
  type: "0" | "5" | "x";
  mode: number;
  size: number;
}): Buffer {
  const header = Buffer.alloc(TAR_BLOCK);
  const octal = (value: number, offset: number, digits: number) =>
    header.write(value.toString(8).padStart(digits, "0"), offset, "latin1");
  header.write(fields.name, 0, "latin1");
  octal(fields.mode, 100, 7);
  octal(0, 108, 7); // owner
  octal(0, 116, 7); // group
  octal(fields.size, 124, 11);
  octal(0, 136, 11); // time of change
  header.write("        ", 148, "latin1"); // the checksum is taken with spaces in its place
  header.write(fields.type, 156, "latin1");
  header.write("ustar\x0000", 257, "latin1");
  octal(0, 329, 7); // device
  octal(0, 337, 7);
  header.write(fields.prefix, 345, "latin1");
  let sum = 0;
  for (const byte of header) sum += byte;
  octal(sum, 148, 6);
  header.write("\0 ", 154, "latin1");
  return header;
}
