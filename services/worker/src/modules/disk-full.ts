import { problem } from "@modulehub/core";

/** That there is no room left for what should be written; nothing that is here is harmed by it. */
export const diskFull = (cause?: unknown) =>
  problem("store-unavailable", "The disk of the worker's cache is full.", { retryAfter: 30, cause });

/** What is to be thrown for an error of writing: a full disk as a problem, anything else as it is. */
export function asDiskFull(error: unknown): unknown {
  const full = error instanceof Error && "code" in error && ["ENOSPC", "EDQUOT"].includes(String(error.code));
  return full ? diskFull(error) : error;
}
