import { z } from "zod";

/**
 * Whether an error is a unique constraint's. Prisma says P2002 on PostgreSQL; from PGlite's adapter the
 * driver's own 23505 comes through. Inside a transaction either has aborted it.
 */
export function isUniqueViolation(error: unknown): boolean {
  for (let depth = 0; depth < 4 && typeof error === "object" && error !== null; depth++) {
    if ("code" in error && (error.code === "P2002" || error.code === "23505")) return true;
    error = "cause" in error ? error.cause : undefined;
  }
  return false;
}

/**
 * Prisma's codes for: can't reach, timed out, closed by the server, no connection from the pool in time, no
 * transaction in time.
 */
const CONNECTION_CODES = new Set(["P1001", "P1002", "P1017", "P2024", "P2028", "ECONNREFUSED"]);

/** Its driver adapters' words for the same, which a raw query's error carries inside. */
const CONNECTION_KINDS = new Set([
  "DatabaseNotReachable",
  "ConnectionClosed",
  "SocketTimeout",
  "TooManyConnections",
]);

const adapterError = z.object({
  meta: z.object({ driverAdapterError: z.object({ cause: z.object({ kind: z.string() }) }) }),
});

/** Whether an error of a query says that the database could not be asked. */
export function isConnectionFailure(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  if ("code" in error && typeof error.code === "string" && CONNECTION_CODES.has(error.code)) return true;
  const adapter = adapterError.safeParse(error);
  return adapter.success && CONNECTION_KINDS.has(adapter.data.meta.driverAdapterError.cause.kind);
}
