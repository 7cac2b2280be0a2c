import { z } from "zod";

/**
 * Prisma's codes for: can't reach, timed out, closed by the server, no connection from the pool in time, no
 * transaction in time.
 */
const CONNECTION_CODES = new Set([
  "P1001",
  "P1002",
  "P1017",
  "P2024",
  "P2028",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
]);

/** Its driver adapters' words for the same, which a raw query's error carries inside. */
const CONNECTION_KINDS = new Set([
  "DatabaseNotReachable",
  "ConnectionClosed",
  "SocketTimeout",
  "TooManyConnections",
]);

const adapterError = z.object({
  meta: z.object({
    driverAdapterError: z.object({
      cause: z.object({ kind: z.string(), originalCode: z.string().optional() }),
    }),
  }),
});

/** PostgreSQL's deadlock_detected. */
const DEADLOCK = "40P01";

/** PostgreSQL's disk_full: what was to be written is not, and the rest goes on. */
const DISK_FULL = "53100";

/**
 * Whether an error is a unique constraint's: P2002 of a model's query, the adapter's word inside that of raw SQL.
 * Inside a transaction it has aborted that.
 */
export function isUniqueViolation(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  if ("code" in error && error.code === "P2002") return true;
  const adapter = adapterError.safeParse(error);
  return adapter.success && adapter.data.meta.driverAdapterError.cause.kind === "UniqueConstraintViolation";
}

/** Whether an error is a foreign key's: what a row refers to is not there, or not any more. */
export function isForeignKeyViolation(error: unknown): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === "P2003";
}

/**
 * Whether an error says that a transaction was ended because it and another one waited for each other: P2034 of a
 * model's query, PostgreSQL's deadlock_detected inside that of raw SQL.
 */
export function isDeadlock(error: unknown): boolean {
  if (typeof error === "object" && error !== null && "code" in error && error.code === "P2034") return true;
  const adapter = adapterError.safeParse(error);
  return adapter.success && adapter.data.meta.driverAdapterError.cause.originalCode === DEADLOCK;
}

/**
 * What the driver says, without a code, of a connection that broke while it was used, also in the middle of a
 * transaction (node_modules/pg/lib/client.js).
 */
const BROKEN =
  /^(Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect)/;

/** SQLSTATE: connection exceptions; shut down, crashed, starting up. */
const AWAY = /^(08...|57P0[123])$/;

/** Whether an error of a query says that the database could not be asked. */
export function isConnectionFailure(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  if (error instanceof Error && BROKEN.test(error.message)) return true;
  if ("code" in error && typeof error.code === "string" && CONNECTION_CODES.has(error.code)) return true;
  const adapter = adapterError.safeParse(error);
  if (!adapter.success) return false;
  const { kind, originalCode = "" } = adapter.data.meta.driverAdapterError.cause;
  return CONNECTION_KINDS.has(kind) || AWAY.test(originalCode);
}

/** Whether an error of a query says that the database's disk is full. */
export function isDiskFull(error: unknown): boolean {
  const adapter = adapterError.safeParse(error);
  return adapter.success && adapter.data.meta.driverAdapterError.cause.originalCode === DISK_FULL;
}
