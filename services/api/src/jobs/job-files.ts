import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { type Digest, ProblemError, problem } from "@modulehub/core";
import type { BlobStore } from "../blobs/blob-store.ts";
import { storedBlob, takeReferences } from "../blobs/references.ts";
import { storeStream } from "../blobs/store-stream.ts";
import type { Database, Queries } from "../database/client.ts";
import type { Upload } from "../database/generated/client.ts";
import { isUniqueViolation } from "../database/query-errors.ts";
import { inTransaction } from "../database/transaction.ts";
import { cancelUpload } from "../publish/uploads.ts";
import { readJob } from "./stored-job.ts";
import { type Attempt, AttemptOver, requireRunning } from "./transitions.ts";

/** What a worker makes for a job: checkpoints, and files of the module that it trained. */

/** How long a file may be on its way, in milliseconds. */
const PASSING = 6 * 3_600_000;

/**
 * Takes a file of a running job's try, whole or not at all: bytes first, row second. Bytes that are stored already are
 * kept once. Throws `digest-mismatch`, `size-mismatch`, and `job-not-found` for a try that was given up.
 */
export async function receiveJobFile(
  { database, store }: { database: Database; store: BlobStore },
  attempt: Attempt,
  file: { digest: Digest; size: number },
  body: Readable,
): Promise<void> {
  // An earlier try may have sent them: nothing is read then.
  if ((await hold(database, attempt, file, undefined)) !== undefined) {
    body.resume();
    return;
  }
  // A collection knows from it that these bytes are on their way.
  const upload = await beginPassing(database, attempt, file.size);
  const key = upload.id;
  if ((await storeStream(store, { key, ...file }, body)) !== file.digest) {
    await cancelUpload({ database, store }, upload);
    throw problem("digest-mismatch");
  }
  const record = () => hold(database, attempt, file, key);
  // On an error other than a refusal the row may be there all the same, so the bytes stay: garbage at worst.
  const used = await record().catch((error: unknown) => {
    if (isUniqueViolation(error)) return record();
    throw error;
  });
  if (used !== key) await store.delete(key);
}

/** The row of an upload whose bytes pass the hub: without a digest, so that no client goes on with it. */
async function beginPassing(database: Database, attempt: Attempt, size: number): Promise<Upload> {
  const { publisher } = await readJob(database.prisma, attempt.id);
  return database.prisma.upload.create({
    data: {
      id: randomUUID(),
      publisherId: publisher,
      size: BigInt(size),
      partSize: Math.max(1, size),
      state: "open",
      expiresAt: new Date(Date.now() + PASSING),
    },
  });
}

/**
 * Makes the job keep the bytes of a digest alive: those that are stored, or those that lie under a key now. Answers
 * with the key of what is kept; undefined where there is nothing.
 */
async function hold(
  database: Database,
  attempt: Attempt,
  { digest, size }: { digest: Digest; size: number },
  key: string | undefined,
): Promise<string | undefined> {
  const work = async (tx: Queries): Promise<string | undefined> => {
    const { publisher } = await requireRunning(tx, attempt);
    const holder = { kind: "job-file", id: attempt.id, publisher } as const;
    if (key !== undefined && (await tx.upload.deleteMany({ where: { id: key, state: "open" } })).count === 0)
      throw problem("store-unavailable", "The bytes came too late to be kept.", { retryAfter: 5 });
    const known = await storedBlob(tx, digest);
    if (known !== undefined && (await takeReferences(tx, holder, [known.id])).size === 1)
      return known.storageKey;
    if (key === undefined) return undefined;
    const blob = await tx.blob.create({ data: { digest, size, state: "stored", storageKey: key } });
    await takeReferences(tx, holder, [blob.id]);
    return key;
  };
  return inTransaction(database, work).catch((error: unknown) => {
    if (error instanceof AttemptOver || (error instanceof ProblemError && error.code === "job-not-found"))
      throw problem("job-not-found", "The job has ended, or was given to another worker.", { cause: error });
    throw error;
  });
}
