import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder on a small file system of its own, which can be filled. */
export interface SmallDisk {
  folder: string;
  /** Takes all the room there is, beside what it has taken before. */
  fill(): void;
  /** Gives back what `fill` took. */
  makeRoom(): void;
  /** Takes it away with all that is on it; whoever uses it has ended. */
  remove(): void;
}

/** A disk of so many megabytes, in memory; undefined where no file system can be mounted, which takes root. */
export function smallDisk(megabytes: number): SmallDisk | undefined {
  const folder = mkdtempSync(join(tmpdir(), "modulehub-disk-"));
  const options = `size=${megabytes}m,mode=0755`;
  if (spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]).status !== 0) {
    rmSync(folder, { recursive: true });
    return undefined;
  }
  const ballast = join(folder, "ballast");
  return {
    folder,
    fill() {
      const file = openSync(ballast, "a");
      try {
        for (const chunk of [1_048_576, 4_096]) writeUntilFull(file, Buffer.alloc(chunk));
      } finally {
        closeSync(file);
      }
    },
    makeRoom: () => rmSync(ballast),
    remove() {
      spawnSync("umount", ["-l", folder]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function writeUntilFull(file: number, chunk: Buffer): void {
  try {
    for (;;) writeSync(file, chunk);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
  }
}
