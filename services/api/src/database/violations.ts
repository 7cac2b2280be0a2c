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
