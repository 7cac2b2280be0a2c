import type { FastifyBaseLogger } from "fastify";

/** Who is told of bytes that stay. */
export type WarningLog = Pick<FastifyBaseLogger, "warn">;

/**
 * Takes bytes away that nothing refers to; whether that could be done. What can't be taken now, from a full disk for
 * one, is left for the next collection and keeps no other from going.
 */
export async function takenAway(
  storageKey: string,
  takeAway: () => Promise<void>,
  log: WarningLog,
): Promise<boolean> {
  try {
    await takeAway();
    return true;
  } catch (err) {
    log.warn({ err, storageKey }, "bytes that nothing refers to could not be deleted");
    return false;
  }
}
