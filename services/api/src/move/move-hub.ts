import type { Database } from "../database/client.ts";
import { inStore, partsOf } from "../publish/uploads.ts";
import { copyBytes, copyParts, type Stores } from "./copy-bytes.ts";
import { copyRows, type Table } from "./copy-rows.ts";

/** Rows looked at at once. */
const BATCH = 500;

export interface MoveDeps {
  /** A copy of the source's database: a move changes nothing of the source, and opening one writes to it. */
  from: Database;
  to: Database;
  /** Absent where the bytes stay where they are. */
  stores?: Stores;
  tell(line: string): void;
}

export interface Moved {
  tables: Table[];
  blobs: number;
  /** Of these, those that had come before. */
  already: number;
}

/** A target that holds something else. */
export class TargetInUse extends Error {}

/**
 * Takes a hub to another database, and its bytes to another store: bytes first, each read back by its digest, then all
 * rows in one transaction. Broken off anywhere it can be begun again, and sends what is missing; once it is done, again
 * is no change. Throws TargetInUse. Returns undefined where this hub was moved there before.
 */
export async function moveHub({ from, to, stores, tell }: MoveDeps): Promise<Moved | undefined> {
  const source = await sourceOf(from);
  const before = await movedBefore(to);
  if (before === source) return undefined;
  await requireEmpty(to, before);
  const { blobs, already } =
    stores === undefined ? { blobs: 0, already: 0 } : await copyAllBytes(from, stores, tell);
  const handles =
    stores === undefined ? new Map<string, string | undefined>() : await copyOpenUploads(from, stores);
  const tables = await copyRows(from, to, async (target) => {
    for (const [id, handle] of handles)
      if (handle === undefined)
        await target.upload.updateMany({ where: { id }, data: { state: "cancelled" } });
      else
        await target.upload.updateMany({
          where: { id },
          data: { storeHandle: handle === "" ? null : handle },
        });
    await target.$executeRawUnsafe(
      `CREATE TABLE ${MARK} (source TEXT NOT NULL, moved_at TIMESTAMPTZ NOT NULL DEFAULT now())`,
    );
    await target.$executeRawUnsafe(`INSERT INTO ${MARK} (source) VALUES ($1)`, source);
  });
  return { tables, blobs, already };
}

/** Says in the target, in the transaction of the rows, where they came from. */
const MARK = "_modulehub_moved";

/** What tells one embedded database from another: made at random with it. */
async function sourceOf({ prisma }: Database): Promise<string> {
  const [row] = await prisma.$queryRaw<{ id: string }[]>`
    SELECT system_identifier::text AS id FROM pg_control_system()`;
  return row!.id;
}

async function movedBefore({ prisma }: Database): Promise<string | undefined> {
  const [there] = await prisma.$queryRaw<
    { there: boolean }[]
  >`SELECT to_regclass(${MARK}) IS NOT NULL AS there`;
  if (!there?.there) return undefined;
  const [row] = await prisma.$queryRawUnsafe<{ source: string }[]>(`SELECT source FROM ${MARK}`);
  return row?.source;
}

async function requireEmpty({ prisma }: Database, before: string | undefined): Promise<void> {
  const [row] = await prisma.$queryRaw<{ used: boolean }[]>`
    SELECT EXISTS (SELECT FROM publisher) OR EXISTS (SELECT FROM token) OR EXISTS (SELECT FROM tombstone)
      OR EXISTS (SELECT FROM audit) AS used`;
  if (before !== undefined || row?.used)
    throw new TargetInUse("The target's database holds another hub; name an empty one.");
}

async function copyAllBytes(from: Database, stores: Stores, tell: (line: string) => void) {
  let [blobs, already, last] = [0, 0, 0];
  for (;;) {
    const rows = await from.prisma.blob.findMany({
      where: { id: { gt: last }, state: "stored" },
      orderBy: { id: "asc" },
      take: BATCH,
    });
    for (const { storageKey: key, digest, size } of rows) {
      if (!(await copyBytes(stores, { key, digest, size: Number(size) }))) already += 1;
      blobs += 1;
    }
    last = rows.at(-1)?.id ?? last;
    if (rows.length > 0) tell(`${blobs} blobs are there, ${already} of them from before`);
    if (rows.length < BATCH) return { blobs, already };
  }
}

/** The handles of open uploads; undefined of one that the store can't go on with, whose parts are too small for it. */
async function copyOpenUploads(from: Database, stores: Stores): Promise<Map<string, string | undefined>> {
  const handles = new Map<string, string | undefined>();
  const uploads = await from.prisma.upload.findMany({ where: { state: { in: ["open", "verifying"] } } });
  for (const upload of uploads) {
    const parts = partsOf(upload);
    const fits = parts.length <= 1 || upload.partSize >= stores.to.leastPartSize;
    handles.set(upload.id, fits ? await copyParts(stores, inStore(upload).key, parts) : undefined);
  }
  return handles;
}
