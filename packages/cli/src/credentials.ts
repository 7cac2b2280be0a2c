import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { LocalFileError } from "@modulehub/client";
import { z } from "zod";
import type { Settings } from "./settings.ts";

/** What `modulehub login` keeps: a token for each hub, by its address, and the hub that is meant where none is named. */
const credentialsSchema = z.object({
  defaultUrl: z.string().optional(),
  hubs: z.record(z.string(), z.object({ token: z.string() })),
});
export type Credentials = z.infer<typeof credentialsSchema>;

/** Where they lie. */
export const credentialsFile = (settings: Settings): string =>
  join(settings.XDG_CONFIG_HOME ?? join(homedir(), ".config"), "modulehub", "credentials.json");

/** The form of an address under which its token is kept. */
export const hubKey = (url: string): string => {
  const { href } = new URL(url);
  return href.endsWith("/") ? href : `${href}/`;
};

/** What is kept; nothing where there is no file. Throws LocalFileError where it can't be read or has another form. */
export async function readCredentials(settings: Settings): Promise<Credentials> {
  const file = credentialsFile(settings);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && ["ENOENT", "ENOTDIR"].includes(String(error.code)))
      return { hubs: {} };
    throw new LocalFileError(
      `${file} can't be read. Make it readable, or remove it and log in again.`,
      error,
    );
  }
  try {
    return credentialsSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new LocalFileError(`${file} is damaged. Remove it and log in again.`, error);
  }
}

/**
 * Keeps credentials for their owner alone. They are written beside their place and then renamed: a crash leaves the
 * earlier ones. Throws LocalFileError.
 */
export async function writeCredentials(settings: Settings, credentials: Credentials): Promise<void> {
  const file = credentialsFile(settings);
  const beside = `${file}.${randomUUID()}`;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(beside, "wx", 0o600);
    try {
      await handle.writeFile(`${JSON.stringify(credentials, null, 2)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, file);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => {});
    throw new LocalFileError(`${file} can't be written. Make room, or set XDG_CONFIG_HOME.`, error);
  }
}
