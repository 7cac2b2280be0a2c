import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { PGlite } from "@electric-sql/pglite";

/**
 * Makes an embedded database where there is none, in a process of its own: creating one takes 500 MB of
 * WebAssembly memory more than opening it, which the service would never get back. It is made beside its
 * place and then renamed, so that a start that is killed half-way leaves no half database.
 */
export async function createDatabaseFolder(folder: string): Promise<void> {
  if (existsSync(join(folder, "PG_VERSION"))) return;
  const making = `${folder}.new`;
  await rm(making, { recursive: true, force: true });
  await mkdir(making, { recursive: true, mode: 0o700 });
  await promisify(execFile)(process.execPath, [import.meta.filename, making], { env: {} });
  await rename(making, folder);
  const parent = await open(dirname(folder), "r");
  await parent.sync();
  await parent.close();
}

if (import.meta.main) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new TypeError("name the folder to make a database in");
  const pglite = await PGlite.create(folder);
  await pglite.close();
}
