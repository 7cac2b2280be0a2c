import type { FileHandle } from "node:fs/promises";
import type { ByteRange } from "./blob-store.ts";
import type { Pieces } from "./pieces.ts";

/** Bytes of one read; two are held for each file that is being sent, one on its way and one being read. */
const PIECE = 262_144;
/** With more files open than this, each holds less: those who read slowly are many. */
const MANY = 64;
const SMALL_PIECE = 32_768;

let reading = 0;

/** Bytes of an open file, which is closed with them. A file that ends before the range does throws `lost`. */
export class FilePieces implements Pieces {
  readonly #file: FileHandle;
  readonly #range: ByteRange;
  readonly #lost: Error;
  #closing: Promise<void> | undefined;

  constructor(file: FileHandle, range: ByteRange, lost: Error) {
    this.#file = file;
    this.#range = range;
    this.#lost = lost;
    reading++;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    let place = this.#range.start;
    const end = this.#range.end + 1;
    const size = Math.min(reading > MANY ? SMALL_PIECE : PIECE, end - place);
    const read = async (memory: Buffer): Promise<Uint8Array> => {
      const { bytesRead } = await this.#file.read(memory, 0, Math.min(size, end - place), place);
      if (bytesRead === 0) throw this.#lost;
      place += bytesRead;
      return memory.subarray(0, bytesRead);
    };
    const begin = (memory: Buffer): Promise<Uint8Array> => {
      const bytes = read(memory);
      // Thrown where it is awaited, which may be later than Node waits before it calls an error unhandled.
      bytes.catch(() => undefined);
      return bytes;
    };
    let ahead: Promise<Uint8Array> | undefined;
    try {
      let [piece, free] = [Buffer.allocUnsafeSlow(size), Buffer.allocUnsafeSlow(size)];
      if (place < end) ahead = begin(piece);
      while (ahead !== undefined) {
        const bytes: Uint8Array = await ahead;
        [piece, free] = [free, piece];
        ahead = place < end ? begin(piece) : undefined;
        yield bytes;
      }
    } finally {
      // What nobody waits for any more may still be read into its memory.
      await Promise.allSettled([ahead]);
      await this.close();
    }
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      reading--;
      this.#closing = this.#file.close();
    }
    return this.#closing;
  }
}
