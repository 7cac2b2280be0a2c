import { createHash } from "node:crypto";
import { digestOfHex, ProblemError } from "@modulehub/core";
import type { BlobStore } from "../blobs/blob-store.ts";
import type { Database } from "../database/client.ts";
import type { Finding } from "./finding.ts";

export interface CheckDeps {
  database: Database;
  store: BlobStore;
}

/** Rows looked at at once. */
const BATCH = 500;

interface BlobRow {
  id: number;
  digest: string;
  size: bigint;
  state: string;
  storageKey: string;
}

/**
 * What rows and store say of each other; `deep` reads every byte. A hub may be at work meanwhile: what is written and
 * deleted while this looks is asked about again before it is told. `grace` in seconds, as the hub's.
 */
export async function checkBytes(deps: CheckDeps, deep: boolean, grace: number): Promise<Finding[]> {
  const { database, store } = deps;
  const findings: Finding[] = [];
  const keys = new Set<string>();
  for await (const { name } of allNames(store, "blobs")) keys.add(name);
  let last = 0;
  for (;;) {
    const rows: BlobRow[] = await database.prisma.blob.findMany({
      where: { id: { gt: last } },
      orderBy: { id: "asc" },
      take: BATCH,
    });
    for (const row of rows) findings.push(...(await checkBlob(deps, row, keys, deep)));
    last = rows.at(-1)?.id ?? last;
    if (rows.length < BATCH) break;
  }
  findings.push(...(await unreferenced(database, grace)), ...(await strays(deps, grace)));
  return findings;
}

async function checkBlob(
  { database, store }: CheckDeps,
  row: BlobRow,
  keys: ReadonlySet<string>,
  deep: boolean,
): Promise<Finding[]> {
  const about = { subject: row.storageKey, detail: await reliance(database, row) };
  if (row.state === "deleting") return [{ kind: "blob-half-deleted", ...about }];
  if (keys.has(row.storageKey) && !deep) return [];
  const found = await readBlob(store, row);
  if (found === undefined) return [];
  const now = await database.prisma.blob.findUnique({ where: { id: row.id } });
  return now?.state === "stored" ? [{ kind: found, ...about }] : [];
}

/** What is wrong with the bytes of a row. Throws where the store can't be asked. */
async function readBlob(store: BlobStore, row: BlobRow): Promise<Finding["kind"] | undefined> {
  const size = Number(row.size);
  try {
    const pieces = await store.read(row.storageKey, size);
    const hash = createHash("sha256");
    let count = 0;
    for await (const piece of pieces) {
      hash.update(piece);
      count += piece.byteLength;
    }
    if (count !== size) return "bytes-short";
    return digestOfHex(hash.digest("hex")) === row.digest ? undefined : "bytes-wrong";
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    // To have lost bytes and not to be there are one error of the store's: only the first leaves it healthy.
    await store.check();
    for await (const { name } of allNames(store, "blobs")) if (name === row.storageKey) return "bytes-short";
    return "bytes-lost";
  }
}

/** Who relies on a blob, in words. */
async function reliance({ prisma }: Database, { id, digest }: BlobRow): Promise<string> {
  const holders = await prisma.$queryRaw<{ holder: string }[]>`
    SELECT coalesce(m.name || '/' || v.number, r.holder_kind || ' ' || r.holder_id) AS holder
    FROM blob_reference r
    LEFT JOIN version v ON v.id = CASE WHEN r.holder_kind IN ('version', 'documentation') THEN r.holder_id::int END
    LEFT JOIN module m ON m.id = v.module_id
    WHERE r.blob_id = ${id} ORDER BY 1 LIMIT 5`;
  const names = [...new Set(holders.map(({ holder }) => holder))];
  return `${digest}; ${names.length === 0 ? "nothing relies on it" : `relied on by ${names.join(", ")}`}`;
}

async function unreferenced({ prisma }: Database, grace: number): Promise<Finding[]> {
  const rows = await prisma.$queryRaw<{ subject: string; detail: string }[]>`
    SELECT storage_key AS subject, digest AS detail FROM blob b
    WHERE state = 'stored' AND touched_at < now() - make_interval(secs => ${grace})
      AND NOT EXISTS (SELECT FROM blob_reference r WHERE r.blob_id = b.id) ORDER BY id`;
  return rows.map((row) => ({ kind: "blob-unreferenced", ...row }));
}

/** What the store has and no row knows, if it is older than the grace: until then it may be on its way. */
async function strays({ database, store }: CheckDeps, grace: number): Promise<Finding[]> {
  const before = Date.now() - grace * 1_000;
  const findings: Finding[] = [];
  for (const what of ["blobs", "uploads"] as const)
    for await (const { name, writtenAt } of allNames(store, what)) {
      if (writtenAt.getTime() >= before) continue;
      const upload = await database.prisma.upload.findUnique({ where: { id: name } });
      if (upload?.state === "open" || upload?.state === "verifying") continue;
      if (what === "uploads") findings.push({ kind: "parts-without-upload", subject: name });
      else if ((await database.prisma.blob.findFirst({ where: { storageKey: name } })) === null)
        findings.push({ kind: "bytes-without-row", subject: name });
    }
  return findings;
}

async function* allNames(store: BlobStore, what: "blobs" | "uploads") {
  let cursor: string | undefined;
  do {
    const page = await store.list(what, cursor);
    yield* page.items;
    cursor = page.next;
  } while (cursor !== undefined);
}
