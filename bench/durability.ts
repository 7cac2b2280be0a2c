import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { createDatabaseFolder } from "../services/api/src/database/create-folder.ts";
import { DurablePGlite } from "../services/api/src/database/durable-pglite.ts";
import type { BenchOptions, Figures } from "./options.ts";

const COMMITS = 500;
const PAIRS = 3;
const AT_ONCE = 32;

/**
 * What durable answers of the embedded database cost: commits of one row, one after the other and 32 at once, against
 * PGlite as it comes, which never syncs, and the differences. The disk's own sync, of a page appended to a file, is told
 * beside them. `--count` is how many commits there are (500), `--pairs` how often both take turns (3).
 */
export async function run({ count = COMMITS, pairs = PAIRS }: BenchOptions): Promise<Figures> {
  const folder = mkdtempSync(join(tmpdir(), "modulehub-bench-durability-"));
  try {
    const samples = new Map<string, number[]>();
    const note = (name: string, value: number) => samples.set(name, [...(samples.get(name) ?? []), value]);
    for (let pair = 0; pair < pairs; pair++) {
      note("diskSyncMs", await syncTime(join(folder, `sync-${pair}`), Math.min(count, 200)));
      for (const kind of pair % 2 === 0 ? (["durable", "plain"] as const) : (["plain", "durable"] as const)) {
        const path = join(folder, `${kind}-${pair}`);
        await createDatabaseFolder(path);
        const database =
          kind === "durable"
            ? await DurablePGlite.open(path, (fault) => {
                throw fault;
              })
            : await PGlite.create(path);
        await database.exec("CREATE TABLE line (id int, text text)");
        note(`${kind}CommitMs`, await commits(database, count, 1));
        note(`${kind}CommitAtOnceMs`, await commits(database, count, AT_ONCE));
        await database.close();
      }
    }
    for (const name of ["CommitMs", "CommitAtOnceMs"]) {
      const plain = samples.get(`plain${name}`) ?? [];
      const adds = (samples.get(`durable${name}`) ?? []).map((ms, pair) => ms - (plain[pair] ?? ms));
      samples.set(`added${name}`, adds);
    }
    return Object.fromEntries([...samples].map(([name, values]) => [name, median(values)]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Milliseconds a commit of one row, so many of them outstanding. */
async function commits(database: PGlite, count: number, atOnce: number): Promise<number> {
  let next = 0;
  const writer = async () => {
    while (next < count) {
      const id = next++;
      await database.query("INSERT INTO line VALUES ($1, $2)", [id, `line ${id} `.repeat(20)]);
    }
  };
  const begun = performance.now();
  await Promise.all(Array.from({ length: atOnce }, writer));
  return (performance.now() - begun) / count;
}

async function syncTime(path: string, count: number): Promise<number> {
  const file = openSync(path, "w");
  const page = Buffer.alloc(8_192);
  const begun = performance.now();
  for (let n = 0; n < count; n++) {
    writeSync(file, page);
    fdatasyncSync(file);
  }
  closeSync(file);
  return (performance.now() - begun) / count;
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
