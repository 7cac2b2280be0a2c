import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type Digest, digestOfHex } from "@modulehub/core";
import type { JobFiles } from "../training/hub-job-files.ts";
import type { MemorySource } from "./modules.ts";

/** Keeps in memory what jobs make, where the worker reads it again. */
export class MemoryJobFiles implements JobFiles {
  readonly #source: MemorySource;
  /** Called before a file is kept; may throw. */
  before: (path: string) => void = () => undefined;

  constructor(source: MemorySource) {
    this.#source = source;
  }

  async send(_job: unknown, path: string): Promise<{ digest: Digest; size: number }> {
    this.before(path);
    const bytes = await readFile(path);
    const digest = digestOfHex(createHash("sha256").update(bytes).digest("hex"));
    this.#source.blobs.set(digest, bytes);
    return { digest, size: bytes.byteLength };
  }
}
