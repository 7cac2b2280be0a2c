import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createDatabaseFolder } from "./create-folder.ts";

const run = promisify(execFile);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "modulehub-damaged-"));
  await createDatabaseFolder(join(folder, "whole"));
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Opens a damaged copy in a process of its own, as a start does; what it said where it refused. */
async function opened(damage: (database: string) => Promise<void>): Promise<string> {
  const data = await mkdtemp(join(folder, "data-"));
  const database = join(data, "database");
  await cp(join(folder, "whole"), database, { recursive: true });
  await damage(database);
  const before = await readdir(data);
  const client = new URL("client.ts", import.meta.url).href;
  const script = `const { openDatabase } = await import(${JSON.stringify(client)});
    try {
      const database = await openDatabase({ kind: "folder", path: ${JSON.stringify(database)} });
      console.log(JSON.stringify(await database.prisma.$queryRaw\`SELECT 1 AS one\`));
      await database.close();
    } catch (error) { console.log("refused: " + error.message); }
    process.exit(0);`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { timeout: 60_000 });
  // Nothing is put in the place of what is damaged.
  expect(await readdir(data)).toEqual(before);
  return stdout.trim().split("\n").at(-1) ?? "";
}

test("a whole folder opens", async () => {
  expect(await opened(async () => undefined)).toBe('[{"one":1}]');
}, 120_000);

test.each<[string, (database: string) => Promise<void>]>([
  ["a write-ahead log that is missing", (database) => rm(join(database, "pg_wal"), { recursive: true })],
  [
    "segments of the log that are missing",
    async (database) => {
      for (const name of await readdir(join(database, "pg_wal")))
        if (/^[0-9A-F]{24}$/.test(name)) await rm(join(database, "pg_wal", name));
    },
  ],
  ["a control file that is missing", (database) => rm(join(database, "global", "pg_control"))],
  ["a control file cut short", (database) => truncate(join(database, "global", "pg_control"), 100)],
  [
    "a control file of other bytes",
    (database) => writeFile(join(database, "global", "pg_control"), Buffer.alloc(8_192, 7)),
  ],
  ["a catalogue that is missing", (database) => rm(join(database, "base"), { recursive: true })],
])(
  "%s is refused with the reason, and what to do",
  async (_, damage) => {
    const said = await opened(damage);
    expect(said).toMatch(/^refused: The embedded database can't be opened \(.+\)\./);
    expect(said).toContain("restore the data folder from a backup");
  },
  60_000,
);
