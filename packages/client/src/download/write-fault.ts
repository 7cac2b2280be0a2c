import { LocalFileError } from "../connection-error.ts";

/**
 * An error while a folder was written, as its owner can understand it: the system's become LocalFileError, others
 * stay as they are.
 */
export function writeFault(error: unknown, folder: string): unknown {
  if (!(error instanceof Error) || !("syscall" in error) || !("code" in error)) return error;
  if ("address" in error || "hostname" in error) return error;
  const begun = folder.replace(/^the /, "The ");
  switch (error.code) {
    case "ENOSPC":
    case "EDQUOT":
      return new LocalFileError(
        `There is no room left for ${folder}. Free some, then do the same again: it continues.`,
        error,
      );
    case "EROFS":
    case "EACCES":
    case "EPERM":
      return new LocalFileError(
        `${begun} can't be written. Make it writable, or choose another folder.`,
        error,
      );
    default:
      return new LocalFileError(
        `${begun} could not be filled (${String(error.code)}): ${error.message}`,
        error,
      );
  }
}
