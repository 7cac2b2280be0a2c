import { createHash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { chmod, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Transform, type TransformCallback } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Digest, digestOfHex, isDigest, problem } from "@modulehub/core";
import { asDiskFull } from "./disk-full.ts";
import { SingleFlight } from "./single-flight.ts";
import { asBrokenOff, type ModuleSource } from "./source.ts";

/**
 * Blobs on disk, by digest. A file appears under its name only when all of it is there and has the digest; one
 * from an earlier run is hashed again before it is used. Downloads that are interrupted leave nothing.
 */
export class BlobCache {
  readonly #folder: string;
  readonly #incoming: string;
  readonly #source: ModuleSource;
  readonly #flights = new SingleFlight<string>();
  readonly #verified = new Map<Digest, number>();

  constructor(folder: string, source: ModuleSource) {
    this.#folder = join(folder, "blobs");
    this.#incoming = join(folder, "incoming");
    this.#source = source;
  }

  /** Makes the folders, and removes what a killed process left half done. */
  async open(): Promise<void> {
    await rm(this.#incoming, { recursive: true, force: true });
    await mkdir(this.#incoming, { recursive: true });
    await mkdir(this.#folder, { recursive: true });
  }

  /**
   * Path of a blob's bytes, fetched where they aren't here; everyone who waits for the same shares one download, which
   * ends early only when nobody waits for it any more. Throws what the source throws, `store-unavailable` where the
   * bytes broke off, `digest-mismatch` or `size-mismatch` where other bytes came, and the signal's reason.
   */
  fetch(digest: Digest, size: number, signal: AbortSignal): Promise<string> {
    const work = async (wanted: AbortSignal): Promise<string> => {
      const path = this.#path(digest);
      if (this.#verified.has(digest) || (await this.#verify(digest, size))) return path;
      await this.#download(digest, size, wanted);
      this.#verified.set(digest, size);
      return path;
    };
    return this.#flights.run(digest, work, signal);
  }

  /** Whether a blob is here and known to be whole. */
  has(digest: Digest): boolean {
    return this.#verified.has(digest);
  }

  /** Digests of the blobs on disk. */
  async list(): Promise<Digest[]> {
    const names = await readdir(this.#folder);
    return names.map((hex) => `sha256:${hex}`).filter(isDigest);
  }

  async remove(digest: Digest): Promise<void> {
    this.#verified.delete(digest);
    await rm(this.#path(digest), { force: true });
  }

  #path(digest: Digest): string {
    return join(this.#folder, digest.slice("sha256:".length));
  }

  async #verify(digest: Digest, size: number): Promise<boolean> {
    const path = this.#path(digest);
    const found = await stat(path).catch(() => undefined);
    if (!found) return false;
    const hash = createHash("sha256");
    if (found.size === size) for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
    const intact = found.size === size && digestOfHex(hash.digest("hex")) === digest;
    if (intact) this.#verified.set(digest, size);
    else await rm(path, { force: true });
    return intact;
  }

  async #download(digest: Digest, size: number, signal: AbortSignal): Promise<void> {
    const temporary = join(this.#incoming, randomUUID());
    const counter = new HashingCounter(size);
    try {
      const body = await this.#source.blob(digest, signal);
      const file = createWriteStream(temporary, { flush: false });
      let failedWriting = false;
      // Where the body broke off, the file is ended by that same error.
      file.once("error", () => {
        failedWriting = body.errored === null;
      });
      await pipeline(body, counter, file, { signal }).catch((error: unknown) => {
        throw failedWriting ? error : asBrokenOff(error);
      });
      if (counter.bytes !== size)
        throw problem("size-mismatch", `A file of ${size} bytes came with ${counter.bytes}.`);
      if (digestOfHex(counter.hash.digest("hex")) !== digest) throw problem("digest-mismatch");
      await chmod(temporary, 0o444);
      await rename(temporary, this.#path(digest));
    } catch (cause) {
      throw asDiskFull(cause);
    } finally {
      await rm(temporary, { force: true });
    }
  }
}

/** Hashes what passes, and stops at the first byte too many. */
class HashingCounter extends Transform {
  readonly hash = createHash("sha256");
  bytes = 0;
  readonly #limit: number;

  constructor(limit: number) {
    super();
    this.#limit = limit;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.bytes += chunk.byteLength;
    this.hash.update(chunk);
    if (this.bytes > this.#limit)
      done(problem("size-mismatch", `A file of ${this.#limit} bytes came with more.`));
    else done(null, chunk);
  }
}
