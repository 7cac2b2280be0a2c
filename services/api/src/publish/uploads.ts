import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { type Action, type Digest, type ProblemDocument, type ProblemError, problem } from "@modulehub/core";
import type { BlobStore, Part, StoreUpload } from "../blobs/blob-store.ts";
import { takenAway, type WarningLog } from "../blobs/take-away.ts";
import type { Database, Queries } from "../database/client.ts";
import type { Upload } from "../database/generated/client.ts";
import { isForeignKeyViolation } from "../database/query-errors.ts";
import { storableValue } from "../database/storable.ts";
import { allows, type Principal } from "../identity/principal.ts";
import { findPublisher, publisherGone } from "../registry/publishers.ts";
import { requireRoom } from "../registry/quota.ts";

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
  log: WarningLog;
  /** The least size of parts, in bytes. Default `PART_SIZE`. */
  partSize?: number;
}

/** The size of all parts but the last: the least, or as many whole MiB as the number of parts asks for. */
export const partSizeFor = (size: number, least: number = PART_SIZE): number =>
  size <= least * MAX_PARTS ? least : Math.ceil(size / MAX_PARTS / MIB) * MIB;

/** How many parts an upload has; one without bytes has none. */
export const partCount = (upload: Upload): number => Math.ceil(Number(upload.size) / upload.partSize);

/** The parts that an upload is made of, from a number on. */
export function partsOf(upload: Upload, from = 1): Part[] {
  const count = Math.max(0, partCount(upload) - from + 1);
  return Array.from({ length: count }, (_, index) => ({
    number: from + index,
    size: partSizeOf(upload, from + index),
  }));
}

/** An upload as the store knows it: its bytes will lie under its id. */
export const inStore = (upload: Upload): StoreUpload => ({
  key: upload.id,
  handle: upload.storeHandle ?? "",
});

/**
 * Opens an upload, or continues the publisher's own of the same bytes that is open: one that was broken off
 * need not be sent again, nor lie beside its successor. Throws `quota-exceeded`, and as `findPublisher` does.
 */
export async function openUpload(
  { database, store, partSize = PART_SIZE }: UploadDeps,
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
        state: { in: ["open", "verifying"] },
        expiresAt: { gt: new Date(Date.now() + SOON) },
      },
      orderBy: { expiresAt: "desc" },
    });
    if (begun !== null) return begun;
  }
  await requireRoom(database.prisma, request.publisher, request.size);
  const data = {
    id: randomUUID(),
    publisherId: request.publisher,
    size: BigInt(request.size),
    digest: request.digest ?? null,
    partSize: partSizeFor(request.size, Math.max(partSize, store.leastPartSize)),
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

/** Milliseconds after which a store that knows nothing of an upload is asked again: one of few bytes is joined by then. */
const LOOK_AGAIN = 2_000;

/**
 * The numbers of the parts that are there, ascending, from a number on; of an upload that has ended none. One that its
 * store has lost fails, since the store takes no part of it again: that is `lost`, also where the upload is no longer
 * open by then.
 */
export async function receivedParts(
  { database, store }: UploadDeps,
  upload: Upload,
  from = 1,
): Promise<number[] | "lost"> {
  const parts = partsOf(upload, from);
  const isBegun = store.parts.way === "hub" || upload.storeHandle !== null;
  if (upload.state !== "open" || parts.length === 0 || !isBegun) return [];
  const received = await store.received(inStore(upload), parts);
  if (received === "assembled") return parts.map(({ number }) => number);
  if (received.length > 0 || store.parts.way === "hub" || (await store.parts.knows(inStore(upload))))
    return received;
  await sleep(LOOK_AGAIN);
  if (await store.parts.knows(inStore(upload))) return received;
  // One that another completes meanwhile is that one's to end.
  await database.prisma.upload.updateMany({
    where: { id: upload.id, state: "open" },
    data: { state: "failed", problem: storableValue(lostParts().toDocument()) },
  });
  return "lost";
}

export const lostParts = (): ProblemError =>
  problem("store-unavailable", "The blob store has lost the parts that had arrived; open a new upload.");

/**
 * Where to send some parts of an open upload; undefined where that is the hub. The upload has its whole time again.
 */
export async function partUrls(
  deps: UploadDeps,
  upload: Upload,
  parts: readonly Part[],
): Promise<string[] | undefined> {
  const { database, store } = deps;
  if (store.parts.way === "hub" || parts.length === 0) return undefined;
  const handle = upload.storeHandle ?? (await store.parts.begin(upload.id));
  // Another that began it at the same time may have been first.
  const [row] = await database.prisma.$queryRaw<{ store_handle: string }[]>`
    UPDATE upload SET store_handle = coalesce(store_handle, ${handle}), expires_at = ${lifeFromNow()}
    WHERE id = ${upload.id} AND state = 'open' RETURNING store_handle`;
  if (row === undefined) throw await cameTooLate(deps, upload.id);
  return store.parts.urls({ key: upload.id, handle: row.store_handle }, parts);
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
 * again. Throws `upload-state`, also where parts go to the store directly.
 */
export async function receivePart(
  deps: UploadDeps,
  upload: Upload,
  number: number,
  body: Readable,
): Promise<void> {
  const { database, store } = deps;
  requireOpen(upload);
  if (store.parts.way !== "hub")
    throw problem("upload-state", "Parts of this hub go to the addresses that the upload's answer holds.");
  await store.parts.write(inStore(upload), { number, size: partSizeOf(upload, number) }, body);
  const { count } = await database.prisma.upload.updateMany({
    where: { id: upload.id, state: "open" },
    data: { expiresAt: lifeFromNow() },
  });
  if (count === 0) throw await cameTooLate(deps, upload.id);
}

/**
 * Takes away what a request has begun for an upload that was not open any more, and tells it so. While one is verified
 * its parts are about to be joined, and it may be open again after that: nothing is taken from it.
 */
async function cameTooLate(deps: UploadDeps, id: string): Promise<ProblemError> {
  const { state } = await readUpload(deps.database.prisma, id);
  if (state !== "open" && state !== "verifying") await discardParts(deps, id);
  return problem("upload-state", "The upload was completed or cancelled meanwhile.");
}

/** Cancels an upload that has not ended; one that has stays as it is. */
export async function cancelUpload(deps: UploadDeps, upload: Upload): Promise<void> {
  if (await endUpload(deps.database, upload.id, "cancelled")) await discardBytes(deps, upload.id);
  await discardParts(deps, upload.id);
}

/**
 * Takes away the bytes under an upload's key, which are no blob's. The upload has ended whether the store can do that
 * or not; what it can't goes with a collection.
 */
export const discardBytes = ({ store, log }: UploadDeps, id: string): Promise<boolean> =>
  takenAway(id, () => store.delete(id), log);

/** The same for the parts that are left of an upload that has ended. */
export const discardParts = ({ store, log }: UploadDeps, id: string): Promise<boolean> =>
  takenAway(id, () => store.discardUpload(id), log);

/** Ends an upload without a blob; returns whether it was this that ended it. */
export async function endUpload(
  database: Database,
  id: string,
  state: "failed" | "cancelled",
  reason?: ProblemDocument,
): Promise<boolean> {
  const { count } = await database.prisma.upload.updateMany({
    where: { id, state: { in: ["open", "verifying"] } },
    data: { state, ...(reason !== undefined && { problem: storableValue(reason) }) },
  });
  return count === 1;
}

/** When an upload that was heard of now is over. */
export const lifeFromNow = (): Date => new Date(Date.now() + UPLOAD_LIFE);

/** Throws `upload-state` unless an upload still waits for parts. */
export function requireOpen(upload: Upload): void {
  if (upload.state !== "open")
    throw problem("upload-state", `The upload is ${upload.state}; open a new one if bytes are missing.`);
  if (upload.expiresAt.getTime() < Date.now())
    throw problem("upload-state", "The upload has expired; open a new one.");
}
