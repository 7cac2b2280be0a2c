import { type Digest, ProblemError } from "@modulehub/core";
import { z } from "zod";
import { LocalFileError } from "../connection-error.ts";
import { mayRetry, pause } from "../retry.ts";
import type { Slots } from "../tasks/slots.ts";
import type { Transport } from "../transport.ts";
import { sendPart } from "./send-part.ts";
import { hashFile, readRange, type SourceFile } from "./source-file.ts";

/** An answer about an upload. */
export const uploadSchema = z.looseObject({
  id: z.string(),
  partSize: z.int().min(1),
  parts: z.array(z.object({ n: z.int().min(1), url: z.string() })),
  received: z.array(z.int()),
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

/** Tries of one part, each after asking the hub what it has. */
const PART_ATTEMPTS = 6;

/**
 * Brings a file's bytes to the hub in numbered parts. Opening an upload of the same bytes again continues the
 * one that is there, and a part whose connection broke is sent again only if it did not arrive.
 */
export async function upload(job: UploadJob): Promise<void> {
  const { transport, source, digest, signal } = job;
  let state = await transport.call("POST", "v1/uploads", uploadSchema, {
    body: { publisher: job.publisher, size: source.size, digest },
    // A second one beside a first whose answer was lost expires by itself.
    retry: "safe",
    signal,
  });
  const sent = new Map<number, number>();
  const report = (n: number, bytes: number) => {
    sent.set(n, bytes);
    let all = 0;
    for (const part of sent.values()) all += part;
    job.onSent(all);
  };
  const count = Math.ceil(source.size / state.partSize);
  for (;;) {
    for (const n of state.received) report(n, partRange(source, state, n).length);
    const received = new Set([...state.received, ...sent.keys()]);
    if (received.size >= count) break;
    const pending = state.parts.filter((part) => !received.has(part.n));
    if (pending.length === 0)
      throw new ProblemError(
        "upload-incomplete",
        "The hub gave no addresses for the parts that are missing.",
      );
    const send = (part: { n: number; url: string }) =>
      job.slots.run(() => sendUntilThere(job, state, part, (bytes) => report(part.n, bytes)));
    // To the hub one after the other: whatever dies, at most one part of a file is on its way and is sent again. A
    // store elsewhere is further away, and one connection would not fill the line.
    if (pending.every(({ url }) => transport.isOwn(new URL(url, transport.url))))
      for (const part of pending) await send(part);
    else await Promise.all(pending.map(send));
    state = await readUpload(job, state.id, firstMissing(sent));
  }
  await complete(job, state.id);
}

/** The hub tells addresses of parts from a number on. */
const readUpload = (job: UploadJob, id: string, from: number): Promise<Upload> =>
  job.transport.call("GET", `v1/uploads/${id}`, uploadSchema, { query: { from }, signal: job.signal });

function firstMissing(sent: ReadonlyMap<number, number>): number {
  let n = 1;
  while (sent.has(n)) n += 1;
  return n;
}

function partRange(
  source: SourceFile,
  state: Upload,
  n: number,
): { start: number; end: number; length: number } {
  const start = (n - 1) * state.partSize;
  const end = Math.min(start + state.partSize, source.size);
  return { start, end, length: end - start };
}

async function sendUntilThere(
  job: UploadJob,
  state: Upload,
  part: { n: number; url: string },
  report: (bytes: number) => void,
): Promise<void> {
  const { start, end, length } = partRange(job.source, state, part.n);
  let url = part.url;
  for (let attempt = 1; ; attempt++) {
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
      report(length);
      return;
    } catch (error) {
      const local = localCause(error);
      if (local) throw local;
      if (attempt === PART_ATTEMPTS || job.signal.aborted || !partMayRetry(error)) throw error;
    }
    await pause(Math.random() * Math.min(5_000, 200 * 2 ** attempt), job.signal);
    const now = await readUpload(job, state.id, part.n);
    if (now.received.includes(part.n)) return report(length);
    url = now.parts.find(({ n }) => n === part.n)?.url ?? url;
  }
}

/** A part is numbered, so any failure of the hub or of the way there allows it again. */
const partMayRetry = (error: unknown): boolean =>
  mayRetry(error, "safe") || (error instanceof ProblemError && error.status >= 500);

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

async function complete(job: UploadJob, id: string): Promise<void> {
  const { transport, digest, source, signal } = job;
  try {
    await transport.call("POST", `v1/uploads/${id}/complete`, z.unknown(), {
      body: { digest },
      retry: "safe",
      signal,
    });
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code !== "digest-mismatch") throw error;
    const now = await hashFile(source, () => {}, signal);
    throw now === digest ? error : changed(source, error);
  }
}

const changed = (source: SourceFile, cause?: unknown): LocalFileError =>
  new LocalFileError(`${source.path} changed while it was being published. Publish again.`, cause);
