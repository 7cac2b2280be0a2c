import { type Digest, ProblemError, problem } from "@modulehub/core";
import type { FastifyBaseLogger } from "fastify";
import { digestInStore } from "../blobs/digest-in-store.ts";
import { takeReferences } from "../blobs/references.ts";
import type { Queries } from "../database/client.ts";
import { Prisma, type Upload } from "../database/generated/client.ts";
import { isUniqueViolation } from "../database/query-errors.ts";
import { storableValue } from "../database/storable.ts";
import { inTransaction } from "../database/transaction.ts";
import type { VerificationJob } from "../jobs/job-queue.ts";
import {
  discardBytes,
  discardParts,
  endUpload,
  inStore,
  lifeFromNow,
  lostParts,
  partsOf,
  readUpload,
  receivedParts,
  requireOpen,
  type UploadDeps,
} from "./uploads.ts";

/** Bytes that are joined and read while their publisher waits: so few take no longer than asking again would. */
const AT_ONCE = 8_388_608;

export interface CompleteDeps extends UploadDeps {
  jobs: { sendVerification(tx: Queries, upload: string): Promise<void> };
}

/**
 * Has an upload joined and verified: at once where it is small, else by a job, while it is `verifying`. Asking
 * again is success. Throws `upload-incomplete`, `digest-mismatch` (the upload has then failed), `upload-state`.
 */
export async function completeUpload(deps: CompleteDeps, upload: Upload, digest: Digest): Promise<void> {
  const { database } = deps;
  if (upload.digest !== null && upload.digest !== digest)
    throw problem("digest-mismatch", `The upload was opened, or completed, with ${upload.digest}.`);
  if (upload.state === "stored" || upload.state === "verifying") return;
  // Asked twice at once: the other was first, and may have cleared the parts away.
  const isCompleted = async () => isCompletedAs(await readUpload(database.prisma, upload.id), digest);
  requireOpen(upload);
  const received = await receivedParts(deps, upload);
  if (received === "lost") {
    if (await isCompleted()) return;
    throw lostParts();
  }
  const there = new Set(received);
  const missing = partsOf(upload).filter(({ number }) => !there.has(number));
  if (missing.length > 0) {
    if (await isCompleted()) return;
    const numbers = missing.slice(0, 20).map(({ number }) => number);
    throw problem("upload-incomplete", `Parts are missing: ${numbers.join(", ")}.`);
  }
  if (upload.size <= AT_ONCE) return settleUpload(deps, upload, digest);
  await inTransaction(database, async (tx) => {
    const { count } = await tx.upload.updateMany({
      where: { id: upload.id, state: "open", OR: [{ digest: null }, { digest }] },
      data: { state: "verifying", digest, problem: Prisma.DbNull, expiresAt: lifeFromNow() },
    });
    if (count === 1) return deps.jobs.sendVerification(tx, upload.id);
    const now = await readUpload(tx, upload.id);
    if (!isCompletedAs(now, digest)) throw problem("upload-state", `The upload is ${now.state}.`);
  });
}

const isCompletedAs = (upload: Upload, digest: Digest): boolean =>
  upload.digest === digest && (upload.state === "verifying" || upload.state === "stored");

/**
 * The job that verifies an upload. What is wrong with the bytes fails the upload; what is wrong with the world throws,
 * to be tried again, and at the last try opens the upload again: nothing that has arrived is lost.
 */
export async function verifyUpload(
  deps: UploadDeps & { log: FastifyBaseLogger },
  job: VerificationJob,
): Promise<void> {
  const { database, log } = deps;
  const upload = await database.prisma.upload.findUnique({ where: { id: job.upload } });
  if (upload?.state !== "verifying" || upload.digest === null) return;
  try {
    await settleUpload(deps, upload, upload.digest as Digest, job.signal);
  } catch (error) {
    const isWorlds = !(error instanceof ProblemError) || error.status >= 500;
    if (!isWorlds) {
      log.info({ upload: upload.id, code: error.code }, "an upload was refused");
      if (error.code === "upload-incomplete") await openAgain(deps, upload, error);
      return;
    }
    log.warn({ err: error, upload: upload.id }, "an upload could not be verified");
    if (job.last && !job.signal.aborted) {
      await openAgain(deps, upload, error instanceof ProblemError ? error : problem("internal"));
      return;
    }
    throw error;
  }
}

async function openAgain({ database }: UploadDeps, upload: Upload, reason: ProblemError): Promise<void> {
  await database.prisma.upload.updateMany({
    where: { id: upload.id, state: "verifying" },
    data: { state: "open", problem: storableValue(reason.toDocument()) },
  });
}

/**
 * Joins the parts and makes them a blob if they are what was promised: bytes first, row second. Bytes that are
 * stored already, whoever sent them, are kept once. May run twice, or beside itself: one transaction ends the upload,
 * and only who ended it deletes bytes.
 */
async function settleUpload(
  deps: UploadDeps,
  upload: Upload,
  digest: Digest,
  signal?: AbortSignal,
): Promise<void> {
  const { database, store } = deps;
  try {
    const told = await store.assemble(inStore(upload), partsOf(upload));
    const actual =
      told ?? (await digestInStore(store, { key: upload.id, size: Number(upload.size) }, digest, signal));
    if (actual !== digest) {
      const mismatch = problem("digest-mismatch", `The bytes have the digest ${actual}; open a new upload.`);
      if (await endUpload(database, upload.id, "failed", mismatch.toDocument())) {
        await discardBytes(deps, upload.id);
        await discardParts(deps, upload.id);
      }
      throw mismatch;
    }
  } catch (error) {
    // Another that did the same was first, and has cleared the parts away.
    if (await isStoredAs(deps, upload, digest)) return;
    throw error;
  }
  const record = () => inTransaction(database, (tx) => recordBlob(tx, upload, digest));
  const outcome = await record().catch((error: unknown) => {
    // The same bytes came by another upload at the same time: now they are there.
    if (isUniqueViolation(error)) return record();
    // On an error other than a refusal the row may be there all the same, so the bytes stay: garbage at worst.
    throw error;
  });
  if (outcome === "needless" || outcome === "ended") await discardBytes(deps, upload.id);
  await discardParts(deps, upload.id);
  if (outcome === "ended")
    throw problem("upload-state", `The upload is ${(await readUpload(database.prisma, upload.id)).state}.`);
}

async function isStoredAs({ database }: UploadDeps, upload: Upload, digest: Digest): Promise<boolean> {
  const now = await readUpload(database.prisma, upload.id);
  return now.state === "stored" && now.digest === digest;
}

/**
 * What became of an upload's bytes: they are a blob's now, or are another's already and these needless; or the upload
 * had been recorded before, or ended without a blob.
 */
type Outcome = "kept" | "needless" | "recorded" | "ended";

async function recordBlob(tx: Queries, upload: Upload, digest: Digest): Promise<Outcome> {
  const changed = await tx.upload.updateMany({
    where: { id: upload.id, state: { in: ["open", "verifying"] } },
    data: { state: "stored", digest, expiresAt: lifeFromNow() },
  });
  if (changed.count === 0) {
    const now = await readUpload(tx, upload.id);
    return now.state === "stored" ? "recorded" : "ended";
  }
  const holder = { kind: "upload", id: upload.id, publisher: upload.publisherId } as const;
  const existing = await tx.blob.findFirst({ where: { digest, state: "stored" } });
  if (existing !== null && (await takeReferences(tx, holder, [existing.id])).size === 1) return "needless";
  const blob = await tx.blob.create({
    data: { digest, size: upload.size, state: "stored", storageKey: upload.id },
  });
  await takeReferences(tx, holder, [blob.id]);
  return "kept";
}
