import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { startPostgresql } from "@modulehub/api/testing/postgresql-server";
import type { BlobStore, StoredName } from "../../services/api/src/blobs/blob-store.ts";
import { collectGarbage } from "../../services/api/src/blobs/garbage-collection.ts";
import { dropReferences, takeReferences } from "../../services/api/src/blobs/references.ts";
import { type Database, openDatabase } from "../../services/api/src/database/client.ts";
import { migrate } from "../../services/api/src/database/migrate.ts";
import { inTransaction } from "../../services/api/src/database/transaction.ts";
import { Violation } from "./publisher.ts";
import { type Random, randomFrom } from "./random.ts";
import { sha256 } from "./record.ts";

export interface CollectionOptions {
  seed: number;
  operations: number;
  say?: (line: string) => void;
}

export interface CollectionResult {
  operations: number;
  collected: number;
  /** References that came too late: the bytes were being collected, and were sent again. */
  late: number;
}

const WRITERS = 32;
const REPLICAS = 2;

/** Seconds. The rule is that no transaction that takes references is open as long. */
const GRACE = 5;

/** Milliseconds for which some transactions stay open after they took their references. */
const OPEN = 300;

/** Contents that all writers share: few, so that what one lets go another takes. */
const CONTENTS = 400;

/** A store that keeps names and no bytes: what is tried is which of them go. */
function nameStore(): {
  store: Pick<BlobStore, "list" | "delete" | "discardUpload">;
  names: Map<string, Date>;
} {
  const names = new Map<string, Date>();
  return {
    names,
    store: {
      list: async (what) => ({
        items:
          what === "blobs" ? [...names].map(([name, writtenAt]): StoredName => ({ name, writtenAt })) : [],
      }),
      delete: async (key) => {
        names.delete(key);
      },
      discardUpload: async () => undefined,
    },
  };
}

/**
 * Writers take and drop references to blobs that they share, on a real PostgreSQL, while as many replicas as a hub has
 * collect without a pause. No blob that somebody holds may go, and all that nobody holds must. Throws `Violation`.
 */
export async function runCollection({
  seed,
  operations,
  say = () => undefined,
}: CollectionOptions): Promise<CollectionResult> {
  const server = await startPostgresql();
  if (server === undefined) throw new Error("PostgreSQL is not installed");
  const replicas: Database[] = [];
  const { store, names } = nameStore();
  const result: CollectionResult = { operations: 0, collected: 0, late: 0 };
  try {
    for (let n = 0; n < REPLICAS; n++)
      replicas.push(await openDatabase({ kind: "postgresql", url: server.url }));
    await migrate(replicas[0]!);
    await replicas[0]!.prisma.publisher.create({ data: { id: "acme", displayName: "Acme" } });
    let over = false;
    const collecting = replicas.map(async (database) => {
      while (!over) {
        const { blobs } = await collectGarbage({ database, store: store as BlobStore, log: console }, GRACE);
        result.collected += blobs;
        await sleep(50);
      }
    });
    const writers = Array.from({ length: WRITERS }, (_, n) =>
      write(replicas[n % REPLICAS]!, names, randomFrom(seed + n), result, operations, say),
    );
    const held = await Promise.all(writers);
    for (const each of held) await checkHeld(replicas[0]!, names, each);
    await replicas[0]!.prisma.blobReference.deleteMany({});
    await sleep(GRACE * 1_000 + 500);
    over = true;
    await Promise.all(collecting);
    await collectGarbage({ database: replicas[0]!, store: store as BlobStore, log: console }, GRACE);
    await collectGarbage({ database: replicas[0]!, store: store as BlobStore, log: console }, GRACE);
    const left = await replicas[0]!.prisma.blob.count();
    if (left > 0 || names.size > 0)
      throw new Violation(`${left} rows and ${names.size} names are left that nobody holds`);
    return result;
  } finally {
    for (const database of replicas) await database.close();
    await server.stop();
  }
}

/** What a writer holds: by holder, the content. */
type Held = Map<string, string>;

async function write(
  database: Database,
  names: Map<string, Date>,
  random: Random,
  result: CollectionResult,
  operations: number,
  say: (line: string) => void,
): Promise<Held> {
  const held: Held = new Map();
  while (result.operations < operations) {
    if (++result.operations % 10_000 === 0)
      say(`${result.operations} operations, ${result.collected} blobs collected`);
    if (held.size > 4 || (held.size > 0 && random.next() < 0.45)) {
      const holder = random.pick([...held.keys()]);
      held.delete(holder);
      await dropReferences(database.prisma, { kind: "draft", id: holder });
    } else {
      const holder = randomUUID();
      const digest = sha256(Buffer.from(String(random.below(CONTENTS))));
      await take(database, names, random, { holder, digest, result });
      held.set(holder, digest);
    }
    if (random.next() < 0.02) await checkHeld(database, names, held);
  }
  return held;
}

/** As a publish does it: what is stored is taken, and what is not is sent, bytes first and row second. */
async function take(
  database: Database,
  names: Map<string, Date>,
  random: Random,
  { holder, digest, result }: { holder: string; digest: string; result: CollectionResult },
): Promise<void> {
  for (;;) {
    const known = await database.prisma.blob.findFirst({ where: { digest, state: "stored" } });
    if (known !== null) {
      const kept = await inTransaction(database, async (tx) => {
        const taken = await takeReferences(tx, { kind: "draft", id: holder, publisher: "acme" }, [known.id]);
        if (random.next() < 0.03) await sleep(random.below(OPEN));
        return taken;
      });
      if (kept.size === 1) return;
      result.late++;
    }
    const key = randomUUID();
    names.set(key, new Date());
    try {
      await inTransaction(database, async (tx) => {
        const blob = await tx.blob.create({ data: { digest, size: 1n, state: "stored", storageKey: key } });
        await takeReferences(tx, { kind: "draft", id: holder, publisher: "acme" }, [blob.id]);
      });
      return;
    } catch {
      // Another sent the same bytes at the same time: theirs are there now.
      names.delete(key);
    }
  }
}

async function checkHeld({ prisma }: Database, names: Map<string, Date>, held: Held): Promise<void> {
  for (const [holder, digest] of held) {
    const references = await prisma.blobReference.findMany({
      where: { holderId: holder },
      include: { blob: true },
    });
    const [reference] = references;
    if (reference === undefined) throw new Violation(`${holder} holds ${digest}, and its reference is gone`);
    if (reference.blob.state !== "stored" || reference.blob.digest !== digest)
      throw new Violation(`${holder} holds ${digest}, which is ${reference.blob.state}`);
    if (!names.has(reference.blob.storageKey))
      throw new Violation(`${holder} holds ${digest}, whose bytes are gone`);
  }
}
