import { createHash } from "node:crypto";
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

/** Whether all bytes arrived and are the right ones; the wrong ones are thrown away. */
async function complete(file: FileToFetch): Promise<boolean> {
  await withRetries("safe", (progressed) => receive(file, progressed), file.signal);
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file.partial, { highWaterMark: 1 << 20 })) {
    file.signal?.throwIfAborted();
    hash.update(chunk);
  }
  if (`sha256:${hash.digest("hex")}` === file.digest) return true;
  await rm(file.partial, { force: true });
  return false;
}

/** Receives what is missing, by one request. */
async function receive(file: FileToFetch, progressed: () => void): Promise<void> {
  const handle = await open(file.partial, "a+");
  try {
    let { size: there } = await handle.stat();
    if (there > file.size) {
      await handle.truncate(0);
      there = 0;
    }
    file.onBytes?.(there);
    if (there < file.size) await receiveFrom(file, handle, there, progressed);
  } finally {
    await handle.close();
  }
}

async function receiveFrom(
  file: FileToFetch,
  handle: FileHandle,
  start: number,
  progressed: () => void,
): Promise<void> {
  const { transport, signal } = file;
  const url = new URL(file.url, transport.url);
  // Compressed on the way, the bytes could not be counted.
  const headers: Record<string, string> = { accept: "*/*", "accept-encoding": "identity" };
  if (start > 0) headers.range = `bytes=${start}-`;
  const response = await transport.fetch(url, { headers, signal });
  let there = start;
  if (start > 0 && !continues(response, start)) {
    // Not every proxy and store answers ranges: then it is the whole file.
    await handle.truncate(0);
    there = 0;
  }
  const chunks = response.body?.[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await chunks?.next().catch((error: unknown) => {
        throw transport.broken(url, error, signal);
      });
      if (!next || next.done) break;
      there += next.value.byteLength;
      if (there > file.size) break;
      await handle.appendFile(next.value);
      progressed();
      file.onBytes?.(there);
    }
  } finally {
    await chunks?.return?.();
  }
  if (there === file.size) return;
  // A body without a length can end early unnoticed; the file is then not what was promised.
  await handle.truncate(0);
  throw problem(
    "size-mismatch",
    `${file.path} has ${there > file.size ? "more" : "fewer"} bytes than the ${file.size} that the hub promised.`,
  );
}

function continues(response: Response, start: number): boolean {
  if (response.status === 200) return false;
  const range = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "");
  if (response.status === 206 && range?.[1] === String(start)) return true;
  throw new UnexpectedAnswerError(response.url, response.status, "another range than was asked for");
}
