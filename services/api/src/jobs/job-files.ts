import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { type Digest, ProblemError, problem } from "@modulehub/core";
import type { BlobStore } from "../blobs/blob-store.ts";
import { storedBlob, takeReferences } from "../blobs/references.ts";
import { storeStream } from "../blobs/store-stream.ts";
import { takenAway, type WarningLog } from "../blobs/take-away.ts";
import type { Database, Queries } from "../database/client.ts";
import { isUniqueViolation } from "../database/query-errors.ts";
import { inTransaction } from "../database/transaction.ts";
import { endUpload } from "../publish/uploads.ts";
import { discardJobUploads } from "./job-uploads.ts";
import { type Attempt, AttemptOver, requireRunning } from "./transitions.ts";

/** What a worker makes for a job: checkpoints, and files of the module that it trained. */

/** How long a file may be on its way where nothing ends it before: no later try, and not the job. In milliseconds. */
const PASSING = 6 * 3_600_000;

interface FileDeps {
  database: Database;
  store: BlobStore;
  log: WarningLog;
}

/**
 * Takes a file of a running job's try, whole or not at all: bytes first, row second. Bytes that are stored already are
 * kept once. Throws `digest-mismatch`, `size-mismatch`, and `job-not-found` for a try that was given up.
 */
export async function receiveJobFile(
  deps: FileDeps,
  attempt: Attempt,
  file: { digest: Digest; size: number },
  body: Readable,
): Promise<void> {
  const { database, store, log } = deps;
  // An earlier try may have sent them: nothing is read then.
  if ((await hold(database, attempt, file, undefined)) !== undefined) {
    body.resume();
    return;
  }
  // A collection knows from it that these bytes are on their way; should this process die, the next try ends it.
  const key = await beginPassing(database, attempt, file.size);
  try {
    if ((await storeStream(deps, { key, ...file }, body)) !== file.digest) throw problem("digest-mismatch");
  } catch (error) {
    await giveUp(deps, key);
    throw error;
  }
  const record = () => hold(database, attempt, file, key);
  const used = await record()
    .catch((error: unknown) => {
      if (isUniqueViolation(error)) return record();
      throw error;
    })
    .catch(async (error: unknown) => {
      // On an error other than a refusal the row may be there all the same, so the bytes stay: garbage at worst.
      if (error instanceof ProblemError) await giveUp(deps, key);
      throw error;
    });
  if (used !== key) await takenAway(key, () => store.delete(key), log);
}

/** The row of an upload whose bytes pass the hub: without a digest, so that no client goes on with it. Its key. */
async function beginPassing(database: Database, attempt: Attempt, size: number): Promise<string> {
  const id = randomUUID();
  await ofRunning(() =>
    inTransaction(database, async (tx) => {
      const { publisher } = await requireRunning(tx, attempt);
      await tx.upload.create({
        data: {
          id,
          publisherId: publisher,
          jobId: attempt.id,
          size: BigInt(size),
          partSize: Math.max(1, size),
          state: "open",
          expiresAt: new Date(Date.now() + PASSING),
        },
      });
    }),
  );
  return id;
}

/** Ends an upload that came to nothing, and takes its bytes away; what is left then goes with the try, or a collection. */
async function giveUp({ database, store, log }: FileDeps, key: string): Promise<void> {
  try {
    await endUpload(database, key, "cancelled");
    await discardJobUploads(store, [key]);
  } catch (err) {
    log.warn({ err, upload: key }, "a file of a job that did not arrive is left for later");
  }
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
  return ofRunning(() => inTransaction(database, work));
}

/** Does what only a job's present try may. Throws `job-not-found` to any other. */
async function ofRunning<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AttemptOver || (error instanceof ProblemError && error.code === "job-not-found"))
      throw problem("job-not-found", "The job has ended, or was given to another worker.", { cause: error });
    throw error;
  }
}
