import { stat } from "node:fs/promises";

/**
 * Calls `lost` once when a folder has been removed or replaced since now. Returns a function that ends the
 * watch. A worker whose cache was emptied under it knows of files that are gone; it is simplest, and safe,
 * to start again. Other errors of looking (a slow or broken disk) say nothing about the folder.
 */
export async function watchFolder(folder: string, everyMs: number, lost: () => void): Promise<() => void> {
  const { ino } = await stat(folder);
  const look = async () => {
    const now = await stat(folder).catch((error: NodeJS.ErrnoException) => error.code);
    if (now !== "ENOENT" && (typeof now !== "object" || now.ino === ino)) return;
    clearInterval(timer);
    lost();
  };
  const timer = setInterval(() => void look(), everyMs);
  timer.unref();
  return () => clearInterval(timer);
}
