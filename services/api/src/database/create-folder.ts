import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { PGlite } from "@electric-sql/pglite";
import { makeFolder, syncFolder, syncTree } from "../durable-folder.ts";

/**
 * Makes an embedded database where there is none, in a process of its own: creating one takes 500 MB of
 * WebAssembly memory more than opening it, which the service would never get back. It is made beside its
 * place, made durable, and then renamed, so that a start that ends half-way leaves no half database.
 */
export async function createDatabaseFolder(folder: string): Promise<void> {
  if (existsSync(join(folder, "PG_VERSION"))) return;
  const parent = dirname(folder);
  await makeFolder(parent);
  const beginning = `${basename(folder)}.new-`;
  for (const name of await readdir(parent))
    if (name.startsWith(beginning)) await rm(join(parent, name), { recursive: true, force: true });
  // A name of its own: the process of a start that was killed may still be writing.
  const making = await mkdtemp(join(parent, beginning));
  await promisify(execFile)(process.execPath, [import.meta.filename, making], { env: {} });
  await syncTree(making);
  await rename(making, folder);
  await syncFolder(parent);
}

if (import.meta.main) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new TypeError("name the folder to make a database in");
  const pglite = await PGlite.create(folder);
  await pglite.close();
}
