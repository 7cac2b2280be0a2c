import { closeSync, fdatasync, fdatasyncSync, openSync } from "node:fs";
import { promisify } from "node:util";

const dataSync = promisify(fdatasync);

/**
 * Which segments of a write-ahead log the database has asked to be made durable, and whether they are. What it asks
 * for is done off the event loop, for all commits that wait at once; `barrier` does it on the spot. A sync that failed
 * is never tried again: the system may have dropped the bytes, and would say that all is well the second time
 * (https://wiki.postgresql.org/wiki/Fsync_Errors).
 */
export class WriteAheadLog {
  /** Segments that were asked for since the last sync began, by path. */
  readonly #waiting = new Set<string>();
  /** Segments that are being synced. */
  #underWay = new Set<string>();
  #asked = 0;
  #durable = 0;
  #running: Promise<void> | undefined;
  #fault: Error | undefined;
  readonly #onFault: (fault: Error) => void;

  /** `onFault` hears once that a sync failed: nothing can be promised from then on. */
  constructor(onFault: (fault: Error) => void) {
    this.#onFault = onFault;
  }

  /** The database asks for a segment to be durable; it is told that it is, and whoever waits for it waits here. */
  ask(segment: string): void {
    this.#waiting.add(segment);
    this.#asked++;
  }

  /** Resolves once all that was asked for before is durable. Throws what made a sync fail, for ever after. */
  async durable(): Promise<void> {
    const wanted = this.#asked;
    while (this.#durable < wanted) {
      this.#running ??= this.#sync().finally(() => {
        this.#running = undefined;
      });
      await this.#running;
    }
    if (this.#fault) throw this.#fault;
  }

  /**
   * Makes all that was asked for durable before it returns. What the database does next relies on it: nothing outside
   * the log may reach the disk before the log that tells of it.
   */
  barrier(): void {
    if (this.#durable === this.#asked && this.#fault === undefined) return;
    if (this.#fault) throw this.#fault;
    try {
      for (const segment of new Set([...this.#underWay, ...this.#waiting])) syncSegment(segment);
    } catch (error) {
      throw this.#fail(error);
    }
    this.#waiting.clear();
    this.#durable = this.#asked;
  }

  async #sync(): Promise<void> {
    if (this.#fault) throw this.#fault;
    const upTo = this.#asked;
    this.#underWay = new Set(this.#waiting);
    this.#waiting.clear();
    // Descriptors of its own: the database may close its own meanwhile.
    const descriptors: number[] = [];
    try {
      for (const segment of this.#underWay) descriptors.push(openSync(segment, "r+"));
      await Promise.all(descriptors.map((descriptor) => dataSync(descriptor)));
      this.#durable = Math.max(this.#durable, upTo);
    } catch (error) {
      throw this.#fail(error);
    } finally {
      this.#underWay = new Set();
      for (const descriptor of descriptors) closeSync(descriptor);
    }
  }

  #fail(error: unknown): Error {
    if (this.#fault) return this.#fault;
    this.#fault = new Error("The write-ahead log of the embedded database could not be made durable.", {
      cause: error,
    });
    this.#onFault(this.#fault);
    return this.#fault;
  }
}

function syncSegment(path: string): void {
  const descriptor = openSync(path, "r+");
  try {
    fdatasyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
