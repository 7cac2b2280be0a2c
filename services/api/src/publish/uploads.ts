import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { type Action, type Digest, ProblemError, problem } from "@modulehub/core";
import type { BlobStore } from "../blobs/blob-store.ts";
import { takeReferences } from "../blobs/references.ts";
import type { Database, Queries } from "../database/client.ts";
import type { Upload } from "../database/generated/client.ts";
import { isForeignKeyViolation, isUniqueViolation } from "../database/query-errors.ts";
import { inTransaction } from "../database/transaction.ts";
import { allows, type Principal } from "../identity/principal.ts";
import { findPublisher, publisherGone } from "../registry/publishers.ts";

/** The most parts of an upload; S3's limit. */
const MAX_PARTS = 10_000;
/** The least size of parts, in bytes, unless it is set: AWS's clients take the same. */
export const PART_SIZE = 8_388_608;
const MIB = 1_048_576;
/** How long an upload waits for its next part, and then keeps its blob for a draft to come, in milliseconds. */
const UPLOAD_LIFE = 2 * 24 * 3_600_000;

/** An upload that has less time left is not continued, in milliseconds. */
const SOON = 3_600_000;

export interface UploadDeps {
  database: Database;
  store: BlobStore;
  /** The least size of parts, in bytes. Default `PART_SIZE`. */
  partSize?: number;
}

/** The size of all parts but the last: the least, or as many whole MiB as the number of parts asks for. */
export const partSizeFor = (size: number, least: number = PART_SIZE): number =>
  size <= least * MAX_PARTS ? least : Math.ceil(size / MAX_PARTS / MIB) * MIB;

/** How many parts an upload has; one without bytes has none. */
export const partCount = (upload: Upload): number => Math.ceil(Number(upload.size) / upload.partSize);

/**
 * Opens an upload, or continues the publisher's own of the same bytes that is open: one that was broken off
 * need not be sent again, nor lie beside its successor. Throws as `findPublisher` does.
 */
export async function openUpload(
  { database, partSize }: UploadDeps,
  principal: Principal,
  request: { publisher: string; size: number; digest?: Digest | undefined },
): Promise<Upload> {
  await findPublisher(database.prisma, principal, "upload.write", request.publisher);
  if (request.digest !== undefined) {
    const begun = await database.prisma.upload.findFirst({
      where: {
        digest: request.digest,
        publisherId: request.publisher,
        size: BigInt(request.size),
        state: "open",
        expiresAt: { gt: new Date(Date.now() + SOON) },
      },
      orderBy: { expiresAt: "desc" },
    });
    if (begun !== null) return begun;
  }
  const data = {
    id: randomUUID(),
    publisherId: request.publisher,
    size: BigInt(request.size),
    digest: request.digest ?? null,
    partSize: partSizeFor(request.size, partSize),
    state: "open",
    expiresAt: lifeFromNow(),
  };
  return database.prisma.upload.create({ data }).catch((cause: unknown) => {
    if (isForeignKeyViolation(cause)) throw publisherGone(request.publisher, cause);
    throw cause;
  });
}

/**
 * Reads an upload for a principal that wants to do something to it. Throws `upload-not-found` where it isn't there or
 * the principal may not, the same for both.
 */
export async function findUpload(
  queries: Queries,
  principal: Principal,
  action: Action,
  id: string,
): Promise<Upload> {
  const upload = await readUpload(queries, id);
  if (!allows(principal, action, { publisher: upload.publisherId, visibility: "private" }))
    throw problem("upload-not-found");
  return upload;
}

/** Reads an upload, whoever asks. Throws `upload-not-found`. */
export async function readUpload(queries: Queries, id: string): Promise<Upload> {
  const upload = await queries.upload.findUnique({ where: { id } });
  if (upload === null) throw problem("upload-not-found");
  return upload;
}

/** The numbers of the parts that are there, ascending. */
export async function receivedParts(queries: Queries, upload: Upload): Promise<number[]> {
  const rows = await queries.uploadPart.findMany({
    where: { uploadId: upload.id },
    orderBy: { number: "asc" },
    select: { number: true },
  });
  return rows.map(({ number }) => number);
}

/** The size that a part must have. Throws `invalid-request` for a number that the upload has not. */
export function partSizeOf(upload: Upload, number: number): number {
  const count = partCount(upload);
  if (number < 1 || number > count)
    throw problem("invalid-request", `The upload has parts 1 to ${count}; there is no part ${number}.`);
  return number < count ? upload.partSize : Number(upload.size) - (count - 1) * upload.partSize;
}

/**
 * Takes a part, whole or not at all; sent again, it replaces the earlier one. The upload has its whole time
 * again. Throws `upload-state`.
 */
export async function receivePart(
  { database, store }: UploadDeps,
  upload: Upload,
  number: number,
  body: Readable,
): Promise<void> {
  requireOpen(upload);
  const size = partSizeOf(upload, number);
  await store.writePart(upload.id, number, body, size);
  const rows = await database.prisma.$executeRaw`
    WITH open AS (
      UPDATE upload SET expires_at = ${lifeFromNow()} WHERE id = ${upload.id} AND state = 'open' RETURNING id)
    INSERT INTO upload_part (upload_id, number, size) SELECT id, ${number}, ${size} FROM open
    ON CONFLICT (upload_id, number) DO UPDATE SET size = EXCLUDED.size`;
  if (rows === 0) {
    await store.discardUpload(upload.id);
    throw problem("upload-state", "The upload was completed or cancelled meanwhile.");
  }
}

/**
 * Joins the parts and stores them if they are what was promised: bytes first, row second. Bytes that are
 * stored already, whoever sent them, are kept once, and the answer is the same. Asking again is success.
 * Throws `upload-incomplete`, `digest-mismatch` (the upload has then failed), `upload-state`.
 */
export async function completeUpload(deps: UploadDeps, upload: Upload, digest: Digest): Promise<void> {
  const { database, store } = deps;
  if (upload.digest !== null && upload.digest !== digest)
    throw problem("digest-mismatch", `The upload was opened, or completed, with ${upload.digest}.`);
  if (upload.state === "stored") return;
  requireOpen(upload);
  const received = await receivedParts(database.prisma, upload);
  const count = partCount(upload);
  if (received.length !== count) {
    const there = new Set(received);
    const missing = Array.from({ length: count }, (_, index) => index + 1).filter((n) => !there.has(n));
    throw problem("upload-incomplete", `Parts are missing: ${missing.slice(0, 20).join(", ")}.`);
  }
  const key = randomUUID();
  const stored = await store.assemble(upload.id, received, key).catch(async (error: unknown) => {
    // Asked twice at once: the other was first, and has cleared the parts away.
    const now = await readUpload(database.prisma, upload.id);
    if (now.state === "stored" && now.digest === digest) return undefined;
    throw error;
  });
  if (stored === undefined) return;
  if (stored.digest !== digest || stored.size !== Number(upload.size)) {
    await endUpload(database, upload.id, "failed");
    await store.delete(key);
    await store.discardUpload(upload.id);
    throw problem("digest-mismatch", `The bytes have the digest ${stored.digest}; open a new upload.`);
  }
  const record = () => inTransaction(database, (tx) => recordBlob(tx, upload, digest, key));
  // On an error other than a refusal the row may be there all the same, so the bytes stay: garbage at worst.
  const outcome: boolean | ProblemError = await record().catch<boolean | ProblemError>((error: unknown) => {
    // The same bytes came by another upload at the same time: now they are there.
    if (isUniqueViolation(error)) return record();
    if (error instanceof ProblemError) return error;
    throw error;
  });
  if (outcome !== true) await store.delete(key);
  if (outcome instanceof ProblemError) throw outcome;
  await store.discardUpload(upload.id);
}

/** Returns whether the bytes under the key are now a blob's; if not, others are, or the upload has ended. */
async function recordBlob(tx: Queries, upload: Upload, digest: Digest, key: string): Promise<boolean> {
  const changed = await tx.upload.updateMany({
    where: { id: upload.id, state: "open" },
    data: { state: "stored", digest, expiresAt: lifeFromNow() },
  });
  if (changed.count === 0) {
    const now = await readUpload(tx, upload.id);
    if (now.state === "stored" && now.digest === digest) return false;
    throw problem("upload-state", `The upload is ${now.state}.`);
  }
  const holder = { kind: "upload", id: upload.id, publisher: upload.publisherId } as const;
  const existing = await tx.blob.findFirst({ where: { digest, state: "stored" } });
  if (existing !== null && (await takeReferences(tx, holder, [existing.id])).size === 1) return false;
  const blob = await tx.blob.create({
    data: { digest, size: upload.size, state: "stored", storageKey: key },
  });
  await takeReferences(tx, holder, [blob.id]);
  return true;
}

/** Cancels an upload that is open; one that has ended stays as it is. */
export async function cancelUpload({ database, store }: UploadDeps, upload: Upload): Promise<void> {
  await endUpload(database, upload.id, "cancelled");
  await store.discardUpload(upload.id);
}

async function endUpload(database: Database, id: string, state: "failed" | "cancelled"): Promise<void> {
  await database.prisma.upload.updateMany({ where: { id, state: "open" }, data: { state } });
  await database.prisma.uploadPart.deleteMany({ where: { uploadId: id } });
}

const lifeFromNow = (): Date => new Date(Date.now() + UPLOAD_LIFE);

function requireOpen(upload: Upload): void {
  if (upload.state !== "open")
    throw problem("upload-state", `The upload is ${upload.state}; open a new one if bytes are missing.`);
  if (upload.expiresAt.getTime() < Date.now())
    throw problem("upload-state", "The upload has expired; open a new one.");
}
