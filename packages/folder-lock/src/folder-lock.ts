import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Held while a process owns a folder. */
export interface FolderLock {
  release(): void;
}

/** A database that nobody refers to is closed by the garbage collector, and its lock given back with it. */
const held = new Set<DatabaseSync>();

/**
 * Takes the lock of a folder, making the folder where there is none; throws `refusal(pid)` as an Error's message
 * where another process holds it. The lock is an exclusive SQLite transaction on a file: Node has no other lock
 * that the system gives back whenever, and however, its holder ends.
 */
export function lockFolder(folder: string, refusal: (holder: string) => string): FolderLock {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, "lock");
  const holder = join(folder, "lock-holder");
  closeSync(openSync(path, "a", 0o600));
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    lock.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (cause) {
    lock.close();
    if (cause instanceof Error && /not a database|malformed/i.test(cause.message))
      throw new Error(`${path} is damaged; make sure that nothing uses the folder, and remove that file.`, {
        cause,
      });
    if (!(cause instanceof Error && /locked|busy/i.test(cause.message))) throw cause;
    throw new Error(refusal(holderOf(holder)), { cause });
  }
  writeFileSync(holder, String(process.pid));
  held.add(lock);
  return {
    release: () => {
      held.delete(lock);
      lock.close();
    },
  };
}

/** Beside the lock file: a file under an exclusive SQLite lock can't be read on every system. */
function holderOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "unknown";
  }
}
