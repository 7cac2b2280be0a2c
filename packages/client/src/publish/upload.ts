import { type Digest, ProblemError, problemDocumentSchema } from "@modulehub/core";
import { z } from "zod";
import { LocalFileError, StoreRefusalError, UnexpectedAnswerError } from "../connection-error.ts";
import { pause } from "../retry.ts";
import type { Slots } from "../tasks/slots.ts";
import type { Transport } from "../transport.ts";
import { Line } from "./line.ts";
import { sendPart } from "./send-part.ts";
import { hashFile, readRange, type SourceFile } from "./source-file.ts";

/** An answer about an upload. */
export const uploadSchema = z.looseObject({
  id: z.string(),
  state: z.string(),
  partSize: z.int().min(1),
  /** Parts that are not there, the first of them, and where to send them. */
  parts: z.array(z.object({ n: z.int().min(1), url: z.string() })),
  received: z.array(z.int()),
  problem: problemDocumentSchema.optional(),
});
type Upload = z.infer<typeof uploadSchema>;

export interface UploadJob {
  transport: Transport;
  publisher: string;
  source: SourceFile;
  digest: Digest;
  /** Shared by all files on their way, so that so many parts travel at once in all. */
  slots: Slots;
  /** How many bytes of the file are at the hub or on the way there. */
  onSent(bytes: number): void;
  signal: AbortSignal;
}

/** How often what is missing is sent, after a hub said that all had arrived. */
const ROUNDS = 3;

/** How often a new address is asked for, where a store does not take a part at the one that was given. */
const REFUSALS = 3;

/** Between two looks at an upload that is being verified, in milliseconds; longer and longer. */
const FIRST_LOOK = 50;
const LAST_LOOK = 2_000;

/**
 * Brings a file's bytes to the hub, or to the store that the hub names, in numbered parts, and waits until they are
 * verified. Opening an upload of the same bytes again continues the one that is there, and a part whose connection
 * broke is sent again only if it did not arrive. Throws the hub's reason where the upload fails, and `upload-state`
 * where somebody cancels it.
 */
export async function upload(job: UploadJob): Promise<void> {
  const { transport, source, digest, signal } = job;
  let state = await transport.call("POST", "v1/uploads", uploadSchema, {
    body: { publisher: job.publisher, size: source.size, digest },
    // A second one beside a first whose answer was lost expires by itself.
    retry: "safe",
    signal,
  });
  // To the hub one after the other: whatever dies, at most one part of a file is on its way and is sent again. A
  // store elsewhere is further away, and one connection would not fill the line.
  const isDirect = state.parts.some(({ url }) => !transport.isOwn(new URL(url, transport.url)));
  const line = new Line({ isWide: isDirect, broke: state.received.length > 0 }, signal);
  for (let rounds = 1; state.state !== "stored"; rounds++) {
    await requireAlive(job, state);
    if (state.state === "open") {
      await sendParts(job, state, line);
      try {
        state = await line.persist(() => complete(job, state.id));
      } catch (error) {
        // A store may lose what it said it had.
        if (!isIncomplete(error) || rounds === ROUNDS) throw error;
        state = await readUpload(job, line, state.id, 1);
        continue;
      }
    }
    if (state.state === "verifying") state = await verified(job, state, line);
    // The hub could not read what had arrived, and has it still.
    if (state.state === "open" && state.problem) await line.failed(ProblemError.fromDocument(state.problem));
  }
  job.onSent(source.size);
}

/** Sends every part that is not there, as long as the upload is open. */
async function sendParts(job: UploadJob, first: Upload, line: Line): Promise<void> {
  const sent = new Map<number, number>();
  const report = (n: number, bytes: number) => {
    sent.set(n, bytes);
    let all = 0;
    for (const part of sent.values()) all += part;
    job.onSent(all);
  };
  const count = Math.ceil(job.source.size / first.partSize);
  let state = first;
  for (;;) {
    for (const n of state.received) report(n, partRange(job.source, state, n).length);
    if (sent.size >= count) return;
    const pending = state.parts.filter((part) => !sent.has(part.n));
    if (pending.length === 0)
      throw new ProblemError(
        "upload-incomplete",
        "The hub gave no addresses for the parts that are missing.",
      );
    const { partSize, id } = state;
    await inWidth(pending, line, (part) =>
      job.slots.run(() =>
        sendUntilThere(job, { id, partSize }, part, line, (bytes) => report(part.n, bytes)),
      ),
    );
    // Most files have one part: the hub need not be asked whether more are missing.
    if (sent.size >= count) return;
    state = await readUpload(job, line, id, firstMissing(sent));
    // Another that sends the same bytes has completed it.
    if (state.state !== "open") return;
  }
}

/** Does the work for all items in their order, as many at once as the line is wide at the time. */
async function inWidth<T>(items: readonly T[], line: Line, work: (item: T) => Promise<void>): Promise<void> {
  const running = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  for (const item of items) {
    while (running.size >= line.width && failure === undefined) await Promise.race(running);
    if (failure !== undefined) break;
    const one = work(item)
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => running.delete(one));
    running.add(one);
  }
  await Promise.all(running);
  if (failure !== undefined) throw failure.error;
}

/** The hub tells which parts are there, and addresses of others, from a number on. Throws as `requireAlive` does. */
async function readUpload(job: UploadJob, line: Line, id: string, from: number): Promise<Upload> {
  const state = await line.persist(() =>
    job.transport.call("GET", `v1/uploads/${id}`, uploadSchema, { query: { from }, signal: job.signal }),
  );
  await requireAlive(job, state);
  return state;
}

/** Throws why an upload has ended without a blob, where it has: nothing more comes of it. */
async function requireAlive(job: UploadJob, { state, problem }: Upload): Promise<void> {
  if (state === "open" || state === "verifying" || state === "stored") return;
  if (problem !== undefined) throw await blame(job, ProblemError.fromDocument(problem));
  throw new ProblemError("upload-state", `The upload of ${job.source.path} is ${state}. Publish again.`);
}

/** Waits until the hub has read what was sent. */
async function verified(job: UploadJob, first: Upload, line: Line): Promise<Upload> {
  let state = first;
  for (let wait = FIRST_LOOK; state.state === "verifying"; wait = Math.min(LAST_LOOK, wait * 1.5)) {
    await pause(wait, job.signal);
    state = await readUpload(job, line, first.id, 1);
  }
  return state;
}

function firstMissing(sent: ReadonlyMap<number, number>): number {
  let n = 1;
  while (sent.has(n)) n += 1;
  return n;
}

function partRange(
  source: SourceFile,
  { partSize }: Pick<Upload, "partSize">,
  n: number,
): { start: number; end: number; length: number } {
  const start = (n - 1) * partSize;
  const end = Math.min(start + partSize, source.size);
  return { start, end, length: end - start };
}

async function sendUntilThere(
  job: UploadJob,
  state: Pick<Upload, "id" | "partSize">,
  part: { n: number; url: string },
  line: Line,
  report: (bytes: number) => void,
): Promise<void> {
  const { start, end, length } = partRange(job.source, state, part.n);
  let url = part.url;
  for (let refusals = 0; ; ) {
    let bytes = 0;
    const body = async function* () {
      for await (const chunk of readPart(job.source, start, end)) {
        bytes += chunk.byteLength;
        report(bytes);
        yield chunk;
      }
    };
    job.signal.throwIfAborted();
    try {
      await sendPart(job.transport, url, body(), length, job.signal);
      line.succeeded();
      report(length);
      return;
    } catch (error) {
      const local = localCause(error);
      if (local) throw local;
      if (!isStoreRefusal(error) || refusals === REFUSALS) await line.failed(error);
      else refusals += 1;
    }
    const now = await readUpload(job, line, state.id, part.n);
    // Of one that another has completed, every part is there.
    if (now.state !== "open" || now.received.includes(part.n)) return report(length);
    url = now.parts.find(({ n }) => n === part.n)?.url ?? url;
  }
}

/** A store's own words: an address that has run out, an upload that was joined meanwhile. */
const isStoreRefusal = (error: unknown): boolean =>
  (error instanceof StoreRefusalError && error.storeStatus < 500) ||
  (error instanceof UnexpectedAnswerError && error.status >= 400 && error.status < 500);

async function* readPart(source: SourceFile, start: number, end: number): AsyncGenerator<Uint8Array> {
  let left = end - start;
  try {
    for await (const chunk of readRange(source, start, end)) {
      left -= chunk.byteLength;
      yield chunk;
    }
  } catch (cause) {
    throw new LocalFileError(`${source.path} could not be read while it was being sent.`, cause);
  }
  if (left > 0) throw changed(source);
}

/** undici wraps what a body throws. */
function localCause(error: unknown): LocalFileError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (cause instanceof LocalFileError) return cause;
  return undefined;
}

async function complete(job: UploadJob, id: string): Promise<Upload> {
  const { transport, digest, signal } = job;
  try {
    return await transport.call("POST", `v1/uploads/${id}/complete`, uploadSchema, {
      body: { digest },
      retry: "safe",
      signal,
    });
  } catch (error) {
    throw await blame(job, error);
  }
}

const isIncomplete = (error: unknown): boolean =>
  error instanceof ProblemError && error.code === "upload-incomplete";

/** Bytes that are others than were promised may have changed while they were being sent. */
async function blame({ source, digest, signal }: UploadJob, error: unknown): Promise<unknown> {
  if (!(error instanceof ProblemError) || error.code !== "digest-mismatch") return error;
  const now = await hashFile(source, () => {}, signal);
  return now === digest ? error : changed(source, error);
}

const changed = (source: SourceFile, cause?: unknown): LocalFileError =>
  new LocalFileError(`${source.path} changed while it was being published. Publish again.`, cause);
