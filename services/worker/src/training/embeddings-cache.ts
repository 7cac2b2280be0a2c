import { createHash } from "node:crypto";
import { link, mkdir, readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { canonicalJson, type DataReading, type Digest } from "@modulehub/core";

/** What embeddings are of: all that decides their numbers and their order. */
export interface EmbeddingsKey {
  module: Digest;
  data: Digest;
  reading: DataReading;
  /** Of so many examples that were sampled; absent: of all. */
  sample?: number;
}

/** Embeddings on disk that stay there until they are released. */
export interface EmbeddingsLease {
  /** Little-endian float32, row-major, a row an example in the order in which the data set is read. */
  path: string;
  /** Beside them while they are made: what is there so far, as whoever makes them writes it down. */
  saved: string;
  /** Whether they are there; otherwise whoever holds the lease writes them, and then says `keep`. */
  complete: boolean;
  /** The file is whole, and stays for others. */
  keep(): Promise<void>;
  /** What was made so far is of no use; nothing is done to what was kept. */
  discard(): void;
  release(): Promise<void>;
}

interface Entry {
  bytes: number;
  users: number;
  lastUsed: number;
}

/** Embeddings that are whole, and those that a job was broken off at: rows, and beside them the list of those there are. */
const WHOLE = /^[0-9a-f]{64}$/;
const PART = /^[0-9a-f]{64}\.part$/;
const partOf = (name: string): string => `${name}.part`;
const listOf = (path: string): string => `${path}.saved`;

/**
 * Embeddings of data sets by (module, data, reading), in a folder of bounded size: those used longest ago go first,
 * and never what is in use. A file has its name only when it is whole. What a job was broken off at stays as a part,
 * with which the next job goes on that needs the same.
 */
export class EmbeddingsCache {
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #entries = new Map<string, Entry>();
  #copies = 0;

  constructor(folder: string, maxBytes: number) {
    this.#folder = folder;
    this.#maxBytes = maxBytes;
  }

  /** Finds what an earlier run left, and removes what nobody could go on with. */
  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    const names = new Set(await readdir(this.#folder));
    const whole = [...names].filter((name) => WHOLE.test(name));
    const parts = whole.map(partOf);
    const left = [...names].filter(
      (name) => PART.test(name) && names.has(listOf(name)) && !parts.includes(name),
    );
    for (const name of [...whole, ...left]) {
      const { mtimeMs } = await stat(this.#path(name));
      this.#entries.set(name, { bytes: await this.#sizeOf(name), users: 0, lastUsed: mtimeMs });
    }
    const kept = new Set([...whole, ...left, ...left.map(listOf)]);
    for (const name of names) if (!kept.has(name)) await rm(this.#path(name), { force: true });
    await this.#collect();
  }

  /** Bytes of all files, of those that are being written as of when that began. */
  get bytes(): number {
    return [...this.#entries.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async lease(key: EmbeddingsKey): Promise<EmbeddingsLease> {
    const name = nameOf(key);
    const whole = this.#entries.get(name);
    if (whole !== undefined) return await this.#leaseWhole(name, whole);
    const part = this.#entries.get(partOf(name));
    // Where another job makes the same, this one does it by itself, and leaves nothing to go on with.
    const isTaken = part !== undefined && part.users > 0;
    return this.#leaseUnfinished(name, isTaken ? `${name}.${++this.#copies}` : partOf(name));
  }

  async #leaseWhole(name: string, entry: Entry): Promise<EmbeddingsLease> {
    const path = this.#path(name);
    entry.users += 1;
    entry.lastUsed = Date.now();
    const now = new Date();
    await utimes(path, now, now);
    return {
      ...{ path, saved: listOf(path), complete: true },
      keep: async () => undefined,
      discard: () => undefined,
      release: once(() => this.#release(entry)),
    };
  }

  #leaseUnfinished(name: string, own: string): EmbeddingsLease {
    const path = this.#path(own);
    const entry: Entry = { bytes: this.#entries.get(own)?.bytes ?? 0, users: 1, lastUsed: Date.now() };
    this.#entries.set(own, entry);
    let isUseful = PART.test(own);
    let whole: Entry | undefined;
    return {
      ...{ path, saved: listOf(path), complete: false },
      keep: async () => {
        const { size } = await stat(path);
        whole = this.#entries.get(name) ?? { bytes: size, users: 0, lastUsed: Date.now() };
        whole.users += 1;
        // A second name: the process that wrote it goes on reading by the first.
        await link(path, this.#path(name)).catch(async (error: unknown) => {
          // Another job made the same meanwhile.
          if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
        });
        this.#entries.set(name, whole);
        isUseful = false;
      },
      discard: () => {
        isUseful = false;
      },
      release: once(async () => {
        entry.bytes = isUseful ? await this.#sizeOf(own) : 0;
        if (entry.bytes === 0) await this.#remove(own);
        if (whole !== undefined) await this.#release(whole);
        await this.#release(entry);
      }),
    };
  }

  async #release(entry: Entry): Promise<void> {
    entry.users -= 1;
    entry.lastUsed = Date.now();
    await this.#collect();
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  /** Bytes of a file, and of the list beside it. */
  async #sizeOf(name: string): Promise<number> {
    const sizes = [name, listOf(name)].map(async (each) => {
      const found = await stat(this.#path(each)).catch(absent);
      return found?.size ?? 0;
    });
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  }

  async #remove(name: string): Promise<void> {
    this.#entries.delete(name);
    for (const each of [name, listOf(name)]) await rm(this.#path(each), { force: true });
  }

  async #collect(): Promise<void> {
    while (this.bytes > this.#maxBytes) {
      const [oldest] = [...this.#entries]
        .filter(([, { users }]) => users === 0)
        .sort(([, a], [, b]) => a.lastUsed - b.lastUsed);
      if (oldest === undefined) return;
      await this.#remove(oldest[0]);
    }
  }
}

/** What is done the first time that it is asked for. */
function once(work: () => Promise<void>): () => Promise<void> {
  let done = false;
  return async () => {
    if (done) return;
    done = true;
    await work();
  };
}

const absent = (error: unknown): undefined => {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
  throw error;
};

const nameOf = (key: EmbeddingsKey): string => createHash("sha256").update(canonicalJson(key)).digest("hex");
