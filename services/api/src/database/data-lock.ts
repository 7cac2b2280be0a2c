import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Held while a process owns a data folder. */
export interface DataLock {
  release(): void;
}

/**
 * Takes the lock of a data folder, or throws with the holder's process id. The embedded database does not
 * lock its folder itself, and two processes in it destroy rows. The lock is an exclusive SQLite transaction
 * on a file: Node has no other lock that the system gives back whenever, and however, its holder ends.
 */
export function lockDataFolder(folder: string): DataLock {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, "lock");
  const holder = join(folder, "lock-holder");
  closeSync(openSync(path, "a", 0o600));
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    lock.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (cause) {
    lock.close();
    if (!(cause instanceof Error && /locked|busy/i.test(cause.message))) throw cause;
    throw new Error(
      `The data folder is in use by the hub with process id ${holderOf(holder)}; stop it first, or choose another folder with MODULEHUB_DATA.`,
      { cause },
    );
  }
  writeFileSync(holder, String(process.pid));
  return { release: () => lock.close() };
}

/** Beside the lock file: a file under an exclusive SQLite lock can't be read on every system. */
function holderOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "unknown";
  }
}
