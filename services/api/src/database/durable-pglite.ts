import { PGlite } from "@electric-sql/pglite";
import { DurableFiles } from "./durable-files.ts";
import { WriteAheadLog } from "./write-ahead-log.ts";

/**
 * PGlite's own, with two changes: without `-F`, PostgreSQL asks for what must be durable, and with `fsync` as its way
 * to ask for the log, the request reaches the file system (Emscripten's `fdatasync` does nothing and can't be changed).
 * PGlite's 128 MB of buffers are memory of this process; a hub's catalogue needs few.
 */
export const START_PARAMETERS = [
  ...PGlite.defaultStartParams.filter((parameter) => parameter !== "-F"),
  ...["fsync=on", "wal_sync_method=fsync", "shared_buffers=16MB"].flatMap((setting) => ["-c", setting]),
];

/**
 * PGlite in a folder whose answers are durable: a statement or transaction is answered when the log of all that was
 * committed before is on the disk, so that no answer rests on what a power cut takes away. Commits that wait at once
 * share a sync, and others run meanwhile.
 */
export class DurablePGlite extends PGlite {
  readonly #log: WriteAheadLog;

  private constructor(folder: string, log: WriteAheadLog) {
    super({ fs: new DurableFiles(folder, log), startParams: START_PARAMETERS });
    this.#log = log;
  }

  /** Opens the folder of a database that was made. `onFault` hears when nothing can be made durable any more. */
  static async open(folder: string, onFault: (fault: Error) => void): Promise<DurablePGlite> {
    const log = new WriteAheadLog(onFault);
    const pglite = new DurablePGlite(folder, log);
    await pglite.waitReady;
    await log.durable();
    return pglite;
  }

  override query: PGlite["query"] = (...parameters) => this.#durably(super.query(...parameters));

  override exec: PGlite["exec"] = (...parameters) => this.#durably(super.exec(...parameters));

  override transaction: PGlite["transaction"] = (...parameters) =>
    this.#durably(super.transaction(...parameters));

  override async close(): Promise<void> {
    await super.close();
    await this.#log.durable();
  }

  async #durably<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } finally {
      // Of a refusal too: that a name is taken, say, was learnt from a commit.
      await this.#log.durable();
    }
  }
}
