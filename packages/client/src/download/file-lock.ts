import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { pause } from "../retry.ts";
import { isSystemError } from "../system-error.ts";

/** A holder shows this often that it lives. */
const HEARTBEAT_MS = 2_000;
/** A lock that nobody touched for so long is left over, whoever holds it: a machine went down, or a disk away. */
const STALE_MS = 30_000;
const POLL_MS = 50;

export interface LockOptions {
  signal?: AbortSignal;
  /** Milliseconds without a sign of life after which a lock is taken over. */
  staleAfter?: number;
}

/**
 * Runs `work` while no other process runs its own under the same lock file. A lock whose process has ended is
 * taken over: at once on the same machine, after 30 s on another. Node has no lock that the system gives back
 * by itself, so this one only saves work: two processes that both believe to hold it must do no harm.
 */
export async function withFileLock<T>(
  path: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const owner = JSON.stringify({ pid: process.pid, host: hostname(), id: randomUUID() });
  while (!(await createLock(path, owner))) {
    if (await isStale(path, options.staleAfter ?? STALE_MS))
      await takeAway(path, options.staleAfter ?? STALE_MS);
    else await pause(POLL_MS * (1 + Math.random()), options.signal);
  }
  const heartbeat = setInterval(() => {
    // Without a file to touch, another has taken over; what this one writes is verified all the same.
    utimes(path, new Date(), new Date()).catch(() => clearInterval(heartbeat));
  }, HEARTBEAT_MS);
  heartbeat.unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    if ((await contentOf(path)) === owner) await rm(path, { force: true });
  }
}

/** Creates a lock, and its folder, which whoever worked there before may just have removed. */
async function createLock(path: string, owner: string): Promise<boolean> {
  for (;;) {
    await mkdir(dirname(path), { recursive: true });
    try {
      return await create(path, owner);
    } catch (error) {
      if (!isSystemError(error, "ENOENT")) throw error;
    }
  }
}

async function create(path: string, content: string): Promise<boolean> {
  const handle = await open(path, "wx").catch((error: unknown) => {
    if (isSystemError(error, "EEXIST")) return undefined;
    throw error;
  });
  if (!handle) return false;
  try {
    await handle.writeFile(content);
  } finally {
    await handle.close();
  }
  return true;
}

/** Removes a lock that is left over. A lock of its own sees to it that two don't, and one removes the other's new one. */
async function takeAway(path: string, staleAfter: number): Promise<void> {
  const guard = `${path}.takeover`;
  if (!(await create(guard, ""))) {
    if ((await ageOf(guard)) > staleAfter) await rm(guard, { force: true });
    else await pause(POLL_MS);
    return;
  }
  try {
    if (await isStale(path, staleAfter)) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

async function isStale(path: string, staleAfter: number): Promise<boolean> {
  const age = await ageOf(path);
  if (age > staleAfter) return true;
  const content = await contentOf(path);
  if (content === undefined) return false;
  const owner = parseOwner(content);
  return owner !== undefined && owner.host === hostname() && !isRunning(owner.pid);
}

/** Milliseconds since the file was touched; 0 where it is gone. */
async function ageOf(path: string): Promise<number> {
  const entry = await stat(path).catch(ignoreMissing);
  return entry ? Date.now() - entry.mtimeMs : 0;
}

const contentOf = (path: string): Promise<string | undefined> => readFile(path, "utf8").catch(ignoreMissing);

/** Undefined where the owner is still writing it. */
function parseOwner(text: string): { pid: number; host: string } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("pid" in value) || !("host" in value))
      return undefined;
    return typeof value.pid === "number" && typeof value.host === "string"
      ? { pid: value.pid, host: value.host }
      : undefined;
  } catch {
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !isSystemError(error, "ESRCH");
  }
}

function ignoreMissing(error: unknown): undefined {
  if (isSystemError(error, "ENOENT")) return undefined;
  throw error;
}
