import { createHash } from "node:crypto";
import { cp, mkdtemp, readdir, realpath, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { BlobStore } from "../blobs/blob-store.ts";
import { openFilesystemStore } from "../blobs/filesystem-store.ts";
import { openStore } from "../blobs/open-store.ts";
import { openDatabase } from "../database/client.ts";
import { lockDataFolder } from "../database/data-lock.ts";
import { migrate } from "../database/migrate.ts";
import type { Settings } from "../settings.ts";
import { moveHub as move } from "./move-hub.ts";

/**
 * `migrate --from DATA-FOLDER --to postgresql://… [--store s3://BUCKET | --store FOLDER] [--json]`: takes an embedded hub to the
 * real parts. Of the S3 server, all but the bucket comes from the settings. Returns the exit code.
 */
export async function moveHub(args: string[], settings: Settings): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      from: { type: "string" },
      to: { type: "string" },
      store: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const { from: folder, to: url, store: target } = values;
  if (folder === undefined || url === undefined)
    throw new Error("Name the data folder with --from and the database with --to.");
  if (!/^postgres(ql)?:\/\//.test(url)) throw new Error("--to takes postgresql://…");
  const data = resolve(folder);
  if (!(await isFolder(join(data, "database")))) throw new Error(`${data} is no hub's data folder.`);
  const lock = lockDataFolder(data);
  const copy = await newCopy(data);
  try {
    await cp(join(data, "database"), join(copy, "database"), { recursive: true });
    const from = await openDatabase({ kind: "folder", path: join(copy, "database") });
    const to = await openDatabase({ kind: "postgresql", url });
    const opened = target === undefined ? undefined : await openTarget(target, settings);
    const tell = (line: string) => void process.stderr.write(`${line}\n`);
    try {
      await migrate(from);
      await migrate(to);
      const stores = opened && { from: await openFilesystemStore(data), folder: data, to: opened.store };
      const moved = await move({ from, to, tell, ...(stores && { stores }) });
      if (values.json) process.stdout.write(`${JSON.stringify(moved ?? { movedBefore: true })}\n`);
      else
        process.stdout.write(
          moved === undefined ? "This hub was moved there before.\n" : told(moved, data, target),
        );
      return 0;
    } finally {
      opened?.close();
      await from.close();
      await to.close();
    }
  } finally {
    await rm(copy, { recursive: true, force: true });
    lock.release();
  }
}

/**
 * An empty folder for a copy of a hub's database. Copies of the same hub that moves before left, since they were
 * killed, are taken away: its lock is held, so that nobody is at them.
 */
async function newCopy(data: string): Promise<string> {
  const name = createHash("sha256")
    .update(await realpath(data))
    .digest("hex")
    .slice(0, 16);
  const prefix = `modulehub-move-${name}-`;
  for (const left of (await readdir(tmpdir())).filter((entry) => entry.startsWith(prefix)))
    await rm(join(tmpdir(), left), { recursive: true, force: true });
  return mkdtemp(join(tmpdir(), prefix));
}

const told = (
  { tables, blobs, already }: { tables: { name: string; rows: number }[]; blobs: number; already: number },
  data: string,
  target: string | undefined,
): string => {
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const bytes =
    target === undefined
      ? `The bytes stay in ${data}: go on with that folder as MODULEHUB_DATA.`
      : `${blobs} blobs are in ${target}, ${already} of them from a move before; each was read back by its digest.`;
  return `${rows} rows of ${tables.length} tables were moved. ${bytes}\nThe admin token is the one in ${join(data, "admin-token")}: give it as MODULEHUB_ADMIN_TOKEN_FILE, or take the file along.\n`;
};

async function openTarget(
  target: string,
  settings: Settings,
): Promise<{ store: BlobStore; close: () => void }> {
  const [, bucket] = /^s3:\/\/([^/]+)\/?$/.exec(target) ?? [];
  if (bucket !== undefined) return openStore({ ...settings, MODULEHUB_S3_BUCKET: bucket }, "");
  if (/^\w+:\/\//.test(target)) throw new Error("--store takes s3://BUCKET or a folder.");
  return { store: await openFilesystemStore(resolve(target)), close: () => undefined };
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
