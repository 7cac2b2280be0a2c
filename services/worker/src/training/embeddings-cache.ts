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
  /** Whether they are there; otherwise whoever holds the lease writes them, and then says `keep`. */
  complete: boolean;
  /** The file is whole, and stays for others. */
  keep(): Promise<void>;
  release(): Promise<void>;
}

interface Entry {
  bytes: number;
  users: number;
  lastUsed: number;
}

/**
 * Embeddings of data sets by (module, data, reading), in a folder of bounded size: those used longest ago go first,
 * and never what is in use. A file has its name only when it is whole.
 */
export class EmbeddingsCache {
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #entries = new Map<string, Entry>();
  #unfinished = 0;

  constructor(folder: string, maxBytes: number) {
    this.#folder = folder;
    this.#maxBytes = maxBytes;
  }

  /** Finds what an earlier run left, and removes what it left half done. */
  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    for (const name of await readdir(this.#folder)) {
      const path = join(this.#folder, name);
      if (!/^[0-9a-f]{64}$/.test(name)) await rm(path, { force: true });
      else {
        const { size, mtimeMs } = await stat(path);
        this.#entries.set(name, { bytes: size, users: 0, lastUsed: mtimeMs });
      }
    }
    await this.#collect();
  }

  /** Bytes of all files that are whole. */
  get bytes(): number {
    return [...this.#entries.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async lease(key: EmbeddingsKey): Promise<EmbeddingsLease> {
    const name = nameOf(key);
    const path = join(this.#folder, name);
    const known = this.#entries.get(name);
    if (known !== undefined) {
      known.users += 1;
      known.lastUsed = Date.now();
      const now = new Date();
      await utimes(path, now, now);
      return { path, complete: true, keep: async () => undefined, release: this.#releaseOnce(known) };
    }
    const own = join(this.#folder, `${name}.${++this.#unfinished}`);
    let entry: Entry | undefined;
    return {
      path: own,
      complete: false,
      keep: async () => {
        const { size } = await stat(own);
        entry = this.#entries.get(name) ?? { bytes: size, users: 0, lastUsed: Date.now() };
        entry.users += 1;
        // A second name: the process that wrote it goes on reading by the first.
        await link(own, path).catch(async (error: unknown) => {
          // Another job made the same meanwhile.
          if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
        });
        this.#entries.set(name, entry);
      },
      release: async () => {
        await rm(own, { force: true });
        if (entry !== undefined) await this.#releaseOnce(entry)();
      },
    };
  }

  #releaseOnce(entry: Entry): () => Promise<void> {
    let released = false;
    return async () => {
      if (released) return;
      released = true;
      entry.users -= 1;
      entry.lastUsed = Date.now();
      await this.#collect();
    };
  }

  async #collect(): Promise<void> {
    while (this.bytes > this.#maxBytes) {
      const [oldest] = [...this.#entries]
        .filter(([, { users }]) => users === 0)
        .sort(([, a], [, b]) => a.lastUsed - b.lastUsed);
      if (oldest === undefined) return;
      this.#entries.delete(oldest[0]);
      await rm(join(this.#folder, oldest[0]), { force: true });
    }
  }
}

const nameOf = (key: EmbeddingsKey): string => createHash("sha256").update(canonicalJson(key)).digest("hex");
