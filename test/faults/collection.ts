import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { startPostgresql } from "@modulehub/api/testing/postgresql-server";
import type { BlobStore, StoredName } from "../../services/api/src/blobs/blob-store.ts";
import { collectGarbage } from "../../services/api/src/blobs/garbage-collection.ts";
import { dropReferences, type Holder, takeReferences } from "../../services/api/src/blobs/references.ts";
import { type Database, openDatabase } from "../../services/api/src/database/client.ts";
import { migrate } from "../../services/api/src/database/migrate.ts";
import { isUniqueViolation } from "../../services/api/src/database/query-errors.ts";
import { inTransaction } from "../../services/api/src/database/transaction.ts";
import { Violation } from "./publisher.ts";
import { type Random, randomFrom } from "./random.ts";
import { sha256 } from "./record.ts";

export interface CollectionOptions {
  seed: number;
  /** References to take or to let go. */
  operations: number;
  /** Milliseconds after which no more are begun. */
  time?: number;
  say?: (line: string) => void;
}

export interface CollectionResult {
  /** References taken and let go. */
  operations: number;
  /** Transactions that did so: each takes, or lets go, what one draft refers to. */
  transactions: number;
  /** How often what somebody held was looked for, by draft. */
  looks: number;
  collected: number;
  /** References that came too late: the bytes were being collected, and were sent again. */
  late: number;
}

const WRITERS = 32;
const REPLICAS = 2;

/** Seconds that what nobody wants is kept. */
const GRACE = 5;

/** Milliseconds for which some transactions stay open after they took their references. */
const OPEN = 300;

/**
 * Contents that all writers share. Most of what is taken is one of the first half, which others hold or have just let
 * go; the rest is left alone for longer than the grace, and is wanted again about when it is collected.
 */
const CONTENTS = 2_000;
const OFTEN = 0.9;

/** The most contents that one draft refers to, and the most drafts of one writer. */
const FILES = 12;
const DRAFTS = 5;

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
  time = Infinity,
  say = () => undefined,
}: CollectionOptions): Promise<CollectionResult> {
  // That commits are not durable at once changes nothing that a transaction sees.
  const server = await startPostgresql({ settings: ["synchronous_commit=off"] });
  if (server === undefined) throw new Error("PostgreSQL is not installed");
  const replicas: Database[] = [];
  const { store, names } = nameStore();
  const result: CollectionResult = { operations: 0, transactions: 0, looks: 0, collected: 0, late: 0 };
  const until = Date.now() + time;
  let told = 0;
  const isOver = () => {
    if (Math.floor(result.operations / 20_000) > told) {
      told = Math.floor(result.operations / 20_000);
      say(`${result.operations} references, ${result.collected} blobs collected, ${result.late} too late`);
    }
    return result.operations >= operations || Date.now() > until;
  };
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
      write({ database: replicas[n % REPLICAS]!, names, random: randomFrom(seed + n), result }, isOver),
    );
    const held = await Promise.all(writers);
    for (const each of held) result.looks += await checkHeld(replicas[0]!, names, each);
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

/** What a writer holds: by draft, the digests. */
type Held = Map<string, Set<string>>;

interface Writer {
  database: Database;
  names: Map<string, Date>;
  random: Random;
  result: CollectionResult;
}

async function write(writer: Writer, isOver: () => boolean): Promise<Held> {
  const { database, names, random, result } = writer;
  const held: Held = new Map();
  while (!isOver()) {
    if (held.size === DRAFTS || (held.size > 0 && random.next() < 0.45)) {
      const [holder, digests] = random.pick([...held]);
      held.delete(holder);
      await inTransaction(database, (tx) => dropReferences(tx, { kind: "draft", id: holder }));
      result.operations += digests.size;
      result.transactions++;
    } else {
      const holder = randomUUID();
      const count = 1 + random.below(FILES);
      const digests = new Set(Array.from({ length: count }, () => digestOf(random)));
      await take(writer, holder, digests);
      held.set(holder, digests);
    }
    if (random.next() < 0.02) result.looks += await checkHeld(database, names, held);
  }
  return held;
}

const DIGESTS = Array.from({ length: CONTENTS }, (_, n) => sha256(Buffer.from(String(n))));

const digestOf = (random: Random): string =>
  DIGESTS[random.below(CONTENTS / 2) + (random.next() < OFTEN ? 0 : CONTENTS / 2)]!;

/** As a publish does it: what is stored is taken, and what is not is sent, bytes first and row second. */
async function take(
  { database, names, random, result }: Writer,
  holder: string,
  digests: ReadonlySet<string>,
): Promise<void> {
  const draft = { kind: "draft", id: holder, publisher: "acme" } as const;
  const wanted = new Set(digests);
  while (wanted.size > 0) {
    const known = await database.prisma.blob.findMany({
      where: { digest: { in: [...wanted] }, state: "stored" },
      select: { id: true, digest: true },
    });
    if (known.length > 0) {
      const ids = known.map(({ id }) => id);
      const kept = await inTransaction(database, async (tx) => {
        const taken = await takeReferences(tx, draft, ids);
        if (random.next() < 0.03) await sleep(random.below(OPEN));
        return taken;
      });
      for (const { id, digest } of known) if (kept.has(id)) wanted.delete(digest);
      result.operations += kept.size;
      result.late += ids.length - kept.size;
      result.transactions++;
    }
    const stored = new Set(known.map(({ digest }) => digest));
    for (const digest of [...wanted])
      if (!stored.has(digest) && (await store({ database, names }, draft, digest))) {
        wanted.delete(digest);
        result.operations++;
        result.transactions++;
      }
  }
}

/** Stores the bytes of a digest for a draft; false where another did so at the same time. */
async function store(
  { database, names }: Pick<Writer, "database" | "names">,
  draft: Holder,
  digest: string,
): Promise<boolean> {
  const key = randomUUID();
  names.set(key, new Date());
  try {
    await inTransaction(database, async (tx) => {
      const blob = await tx.blob.create({ data: { digest, size: 1n, state: "stored", storageKey: key } });
      await takeReferences(tx, draft, [blob.id]);
    });
    return true;
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    names.delete(key);
    return false;
  }
}

/** Looks for all that a writer holds; returns for how many drafts. */
async function checkHeld({ prisma }: Database, names: Map<string, Date>, held: Held): Promise<number> {
  const references = await prisma.blobReference.findMany({
    where: { holderKind: "draft", holderId: { in: [...held.keys()] } },
    include: { blob: true },
  });
  for (const [holder, digests] of held) {
    const own = references.filter(({ holderId }) => holderId === holder);
    if (own.length !== digests.size)
      throw new Violation(`${holder} holds ${digests.size} blobs, and has ${own.length} references`);
    for (const { blob } of own) {
      if (!digests.has(blob.digest)) throw new Violation(`${holder} does not hold ${blob.digest}`);
      if (blob.state !== "stored")
        throw new Violation(`${holder} holds ${blob.digest}, which is ${blob.state}`);
      if (!names.has(blob.storageKey))
        throw new Violation(`${holder} holds ${blob.digest}, whose bytes are gone`);
    }
  }
  return held.size;
}
