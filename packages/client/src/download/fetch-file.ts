import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type Digest, problem } from "@modulehub/core";
import { UnexpectedAnswerError } from "../connection-error.ts";
import { withRetries } from "../retry.ts";
import type { Transport } from "../transport.ts";

export interface FileToFetch {
  transport: Transport;
  /** The file's address, as the hub gave it. */
  url: string;
  /** What the file is called in errors. */
  path: string;
  size: number;
  digest: Digest;
  /** Where the bytes are gathered. What an interrupted attempt left there is continued. */
  partial: string;
  /** How many bytes have arrived, earlier attempts counted in. */
  onBytes?(received: number): void;
  signal?: AbortSignal;
}

/**
 * Brings a file's bytes into `partial`, whole and with the promised digest. A broken connection is continued
 * where it broke; what an interrupted download left is continued too, and fetched anew where that turns out
 * damaged. Throws `size-mismatch` and `digest-mismatch` where the hub sends other bytes than it promised (nothing
 * is kept then), and as Hub says.
 */
export async function fetchFile(file: FileToFetch): Promise<void> {
  await mkdir(dirname(file.partial), { recursive: true });
  // The damaged bytes may be those that lay there, or came before the connection broke: once more, from the start.
  if ((await complete(file)) || (await complete(file))) return;
  throw problem(
    "digest-mismatch",
    `${file.path} arrived with other bytes than its digest promises. Something between here and the hub changes files, or the hub's copy is damaged.`,
  );
}

/** What of the partial file has been hashed, from its beginning. */
interface Hashed {
  hash: Hash;
  bytes: number;
}

const nothingHashed = (): Hashed => ({ hash: createHash("sha256"), bytes: 0 });

/** Whether all bytes arrived and are the right ones; the wrong ones are thrown away. */
async function complete(file: FileToFetch): Promise<boolean> {
  const hashed = nothingHashed();
  await withRetries("safe", (progressed) => receive(file, hashed, progressed), file.signal);
  if (`sha256:${hashed.hash.digest("hex")}` === file.digest) return true;
  await rm(file.partial, { force: true });
  return false;
}

/** Receives what is missing, by one request, and hashes all. */
async function receive(file: FileToFetch, hashed: Hashed, progressed: () => void): Promise<void> {
  const handle = await open(file.partial, "a+");
  try {
    const { size } = await handle.stat();
    if (size > file.size) await startAnew(handle, hashed);
    else if (size !== hashed.bytes) await hashBeginning(file, hashed, size);
    file.onBytes?.(hashed.bytes);
    if (hashed.bytes < file.size) await receiveRest(file, handle, hashed, progressed);
  } finally {
    await handle.close();
  }
}

async function startAnew(handle: FileHandle, hashed: Hashed): Promise<void> {
  await handle.truncate(0);
  Object.assign(hashed, nothingHashed());
}

/** Hashes what an earlier download left. */
async function hashBeginning(file: FileToFetch, hashed: Hashed, size: number): Promise<void> {
  Object.assign(hashed, nothingHashed());
  if (size === 0) return;
  for await (const chunk of createReadStream(file.partial, { end: size - 1, highWaterMark: 1 << 20 })) {
    file.signal?.throwIfAborted();
    hashed.hash.update(chunk);
    hashed.bytes += chunk.length;
  }
}

async function receiveRest(
  file: FileToFetch,
  handle: FileHandle,
  hashed: Hashed,
  progressed: () => void,
): Promise<void> {
  const { transport, signal } = file;
  const url = new URL(file.url, transport.url);
  const start = hashed.bytes;
  // Compressed on the way, the bytes could not be counted.
  const headers: Record<string, string> = { accept: "*/*", "accept-encoding": "identity" };
  if (start > 0) headers.range = `bytes=${start}-`;
  const response = await transport.fetch(url, { headers, signal });
  // Not every proxy and store answers ranges: then it is the whole file.
  if (start > 0 && !continues(response, start)) await startAnew(handle, hashed);
  const chunks = response.body?.[Symbol.asyncIterator]();
  let excess = false;
  try {
    for (;;) {
      const next = await chunks?.next().catch((error: unknown) => {
        throw transport.broken(url, error, signal);
      });
      if (!next || next.done) break;
      excess = hashed.bytes + next.value.byteLength > file.size;
      if (excess) break;
      const written = handle.appendFile(next.value);
      hashed.hash.update(next.value);
      await written;
      hashed.bytes += next.value.byteLength;
      progressed();
      file.onBytes?.(hashed.bytes);
    }
  } finally {
    await chunks?.return?.();
  }
  if (!excess && hashed.bytes === file.size) return;
  // A body without a length can end early unnoticed; the file is then not what was promised.
  await startAnew(handle, hashed);
  throw problem(
    "size-mismatch",
    `${file.path} has ${excess ? "more" : "fewer"} bytes than the ${file.size} that the hub promised.`,
  );
}

function continues(response: Response, start: number): boolean {
  if (response.status === 200) return false;
  const range = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "");
  if (response.status === 206 && range?.[1] === String(start)) return true;
  throw new UnexpectedAnswerError(response.url, response.status, "another range than was asked for");
}
