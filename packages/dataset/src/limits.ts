import type { DataLimits } from "./example.ts";

/** What is read where nobody says otherwise: 8 GiB of file, 16 GiB unpacked, 200-fold, two million entries. */
export const DATA_LIMITS: DataLimits = {
  fileBytes: 8 * 2 ** 30,
  unpackedBytes: 16 * 2 ** 30,
  unpackedRatio: 200,
  entries: 2_000_000,
};

/** So many bytes may come out of any file: few bytes of good data shrink more than a large file of it. */
export const FREE_UNPACKED_BYTES = 64 * 2 ** 20;
