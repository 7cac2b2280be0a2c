import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";

/** A log of so many bytes becomes the one before, in place of that, and a new one is begun. */
const LARGEST = 64 * 1_048_576;

/**
 * The log of a service: FILE, and FILE.1 with what was before. Written at once, so that it holds what a service
 * said last. A log that can't be written, on a full disk say, costs lines and nothing else.
 */
export class LogFile {
  readonly #path: string;
  readonly #largest: number;
  #file: number;
  #bytes: number;

  /** Opens a log, to be continued. Throws where that can't be done. */
  constructor(path: string, largest: number = LARGEST) {
    this.#path = path;
    this.#largest = largest;
    this.#file = openSync(path, "a", 0o600);
    this.#bytes = fstatSync(this.#file).size;
  }

  write(chunk: Uint8Array): void {
    try {
      if (this.#bytes >= this.#largest) this.#begin();
      this.#bytes += writeSync(this.#file, chunk);
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
    }
  }

  close(): void {
    closeSync(this.#file);
  }

  #begin(): void {
    // The new file's descriptor before the old one's end: a failure in between leaves one to write to.
    renameSync(this.#path, `${this.#path}.1`);
    const next = openSync(this.#path, "a", 0o600);
    closeSync(this.#file);
    this.#file = next;
    this.#bytes = 0;
  }
}
