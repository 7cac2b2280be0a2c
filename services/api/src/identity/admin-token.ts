import { randomBytes } from "node:crypto";
import { link, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder } from "../durable-folder.ts";

/**
 * The hub's admin token, from `admin-token` in the data folder. On the first start it is made, readable by
 * its owner only, and whole or not at all: written beside, then linked into place.
 */
export async function adminToken(folder: string): Promise<string> {
  const path = join(folder, "admin-token");
  const existing = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw new Error(`The file admin-token can't be read (${error.code}); make it readable, or delete it.`, {
      cause: error,
    });
  });
  if (existing !== undefined) {
    const token = existing.trim();
    if (token.length < 32) throw new Error("The file admin-token is damaged; delete it to get a new token.");
    return token;
  }
  const token = `mh_admin_${randomBytes(32).toString("base64url")}`;
  const beside = `${path}.${process.pid}`;
  const file = await open(beside, "w", 0o600);
  try {
    await file.writeFile(`${token}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await link(beside, path);
  await rm(beside);
  await syncFolder(folder);
  return token;
}
