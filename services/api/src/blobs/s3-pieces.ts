import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { ByteRange } from "./blob-store.ts";
import type { Pieces } from "./pieces.ts";
import { storeError } from "./s3-errors.ts";

/** Connections that may break one after the other, without a byte in between, before reading is given up. */
const TRIES = 4;
/** Milliseconds without a byte after which a connection counts as broken. */
const SILENCE = 30_000;

/** Opens the bytes from a place on, to the end of the range. Throws where they can't be had. */
export type OpenFrom = (start: number) => Promise<Readable>;

/** Bytes of an object. A connection that breaks on the way is replaced by one that goes on where it broke. */
export class S3Pieces implements Pieces {
  readonly #range: ByteRange;
  readonly #open: OpenFrom;
  #body: Readable;
  #closed = false;

  /** `first` are the bytes from the range's start on. */
  constructor(first: Readable, range: ByteRange, open: OpenFrom) {
    this.#body = first;
    this.#range = range;
    this.#open = open;
    // An error that comes before, or after, someone reads.
    first.on("error", () => undefined);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    let place = this.#range.start;
    const end = this.#range.end + 1;
    let failures = 0;
    try {
      while (place < end) {
        try {
          for await (const piece of this.#chunks()) {
            // More than was asked for is another's, or an error of the server's; no one gets it.
            const bytes = piece.subarray(0, end - place);
            place += bytes.byteLength;
            failures = 0;
            if (bytes.byteLength > 0) yield bytes;
            if (place >= end) return;
          }
          throw new Error("The blob store ended before the bytes did.");
        } catch (error) {
          failures += 1;
          if (this.#closed || failures === TRIES) throw storeError(error);
          this.#body.destroy();
          await sleep(100 * 2 ** failures);
          this.#body = await this.#open(place);
          this.#body.on("error", () => undefined);
        }
      }
    } finally {
      await this.close();
    }
  }

  /** What the present connection brings. It may stand still while nobody asks, but not while someone waits. */
  async *#chunks(): AsyncGenerator<Buffer, void> {
    const body = this.#body;
    const chunks = body[Symbol.asyncIterator]();
    for (;;) {
      const timer = setTimeout(() => body.destroy(new Error("The blob store fell silent.")), SILENCE);
      const next = await chunks.next().finally(() => clearTimeout(timer));
      if (next.done) return;
      yield next.value as Buffer;
    }
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#body.destroy();
    return Promise.resolve();
  }
}
