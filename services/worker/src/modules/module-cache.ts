import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Batching,
  type Content,
  contentSchema,
  type Digest,
  digestOfHex,
  isDigest,
  type Manifest,
  type ProblemCode,
  ProblemError,
  parseManifest,
  problem,
  type VersionFile,
  versionContent,
} from "@modulehub/core";
import { type Module, openModule } from "@modulehub/runtime";
import { carryOptimized, derivedBytes, removeAbandoned } from "@modulehub/runtime/optimized-graph";
import { awaitWithin, type Patience } from "../patience.ts";
import { BlobCache } from "./blob-cache.ts";
import { asDiskFull } from "./disk-full.ts";
import { assembleFolder, runtimeFiles } from "./module-folder.ts";
import { SingleFlight } from "./single-flight.ts";
import { fetchDeadline, type ModuleSource } from "./source.ts";

/** A module on disk that stays there until it is released. */
export interface ModuleLease {
  digest: Digest;
  folder: string;
  manifest: Manifest;
  module: Module;
  batching: Readonly<Record<string, Batching>>;
  /** Bytes of its files. */
  bytes: number;
  release(): void;
}

interface Entry {
  content: Content;
  files: VersionFile[];
  users: number;
  lastUsed: number;
  module: Promise<Module> | undefined;
  /** Bytes of what was made of its graphs, as of the last look. */
  derivedBytes: number;
  /** Whether its folder is there; what an earlier run left is put together again from verified blobs. */
  assembled: boolean;
}

const notHere = () => problem("deadline-exceeded", "The module could not be fetched in time.");

/** What a list of files that isn't the version's leads to. */
const DAMAGED = new Set<ProblemCode>([
  "digest-mismatch",
  "size-mismatch",
  "blob-not-found",
  "invalid-path",
  "manifest-invalid",
]);

/**
 * Modules by digest in a folder of bounded size:
 *
 *     blobs/{hex}          bytes, verified
 *     modules/{hex}/       a version's files under their paths, linked to the blobs; what engines load beside them
 *     modules/{hex}.json   its list of files and what was proven about it
 *     drafts/{random}/     files of what is being inspected
 *     incoming/            bytes on their way; emptied at start
 *
 * When the folder grows too large, blobs that no module here has go first, then the module that was used
 * longest ago, and never what is in use.
 */
export class ModuleCache {
  readonly blobs: BlobCache;
  readonly #folder: string;
  readonly #source: ModuleSource;
  readonly #maxBytes: number;
  readonly #onEvict: (digest: Digest) => void;
  readonly #entries = new Map<Digest, Entry>();
  readonly #flights = new SingleFlight<Entry>();
  readonly #borrowed = new Map<Digest, number>();
  /** Sizes of blobs that no module here has: of drafts, data sets and checkpoints, those used longest ago first. */
  readonly #unowned = new Map<Digest, number>();
  #collecting: Promise<void> = Promise.resolve();

  constructor(folder: string, source: ModuleSource, maxBytes: number, onEvict: (digest: Digest) => void) {
    this.#folder = folder;
    this.#source = source;
    this.#maxBytes = maxBytes;
    this.#onEvict = onEvict;
    this.blobs = new BlobCache(folder, source);
  }

  /** Finds what an earlier run left, and removes what it left half done. */
  async open(): Promise<void> {
    await this.blobs.open();
    await rm(join(this.#folder, "drafts"), { recursive: true, force: true });
    await mkdir(join(this.#folder, "drafts"), { recursive: true });
    await mkdir(this.#modules, { recursive: true });
    const names = await readdir(this.#modules);
    for (const name of names) {
      if (!name.endsWith(".json")) {
        // Folders stay for the sake of what was made of their graphs; their files are linked anew before they are used.
        if (!names.includes(`${name}.json`))
          await rm(join(this.#modules, name), { recursive: true, force: true });
        continue;
      }
      const digest = `sha256:${name.slice(0, -".json".length)}`;
      const text = await readFile(join(this.#modules, name), "utf8");
      const content = isDigest(digest) ? contentSchema.safeParse(parseJson(text)) : undefined;
      if (content?.success && isDigest(digest)) this.#adopt(digest, content.data, false);
    }
    await this.#collect();
  }

  /**
   * A module, fetched where it isn't here; everyone who waits for the same shares one fetch, which goes on for those who
   * ask next when whoever waited has lost patience. Throws `version-not-found`, `store-unavailable` (also where the disk
   * is full), `digest-mismatch` where its files are not what the digest says, and as `awaitWithin` does.
   */
  async lease(digest: Digest, patience: Patience = {}): Promise<ModuleLease> {
    for (;;) {
      const known = this.#entries.get(digest);
      const entry = known?.assembled
        ? known
        : await awaitWithin(
            this.#flights.run(digest, () => this.#fetch(digest, known?.content)),
            patience,
            notHere,
          );
      // It may have been collected between its arrival and now.
      if (this.#entries.get(digest) !== entry) continue;
      return await this.#hold(digest, entry);
    }
  }

  /** A folder with the files of a draft, for `work`; gone afterwards, whatever happens. Their blobs stay while there is room. */
  async withDraft<T>(
    files: readonly VersionFile[],
    signal: AbortSignal,
    work: (folder: string) => Promise<T>,
  ): Promise<T> {
    const folder = join(this.#folder, "drafts", randomUUID());
    const needed = runtimeFiles(files);
    this.#borrow(needed, 1);
    try {
      await assembleFolder(folder, needed, this.blobs, signal).catch((error: unknown) => {
        throw asDiskFull(error);
      });
      return await work(folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
      this.#borrow(needed, -1);
      for (const { digest, size } of needed) {
        if (!this.blobs.has(digest)) continue;
        this.#unowned.delete(digest);
        this.#unowned.set(digest, size);
      }
      await this.#collect();
    }
  }

  /**
   * A blob that belongs to no module, such as a data set, as a file for `work`. Its bytes stay afterwards while there
   * is room. Throws as `BlobCache.fetch` does.
   */
  async withBlob<T>(
    { digest, size }: Pick<VersionFile, "digest" | "size">,
    signal: AbortSignal,
    work: (path: string) => Promise<T>,
  ): Promise<T> {
    const file = { path: "data", role: "asset", digest, size } as const;
    this.#borrow([file], 1);
    try {
      const path = await this.blobs.fetch(digest, size, signal).catch((error: unknown) => {
        throw asDiskFull(error);
      });
      return await work(path);
    } finally {
      this.#borrow([file], -1);
      if (this.blobs.has(digest)) {
        this.#unowned.delete(digest);
        this.#unowned.set(digest, size);
      }
      await this.#collect();
    }
  }

  /** Bytes of the blobs that modules here refer to, of those of drafts, and of what was made of graphs. */
  get bytes(): number {
    const blobs = this.#sizes().reduce((sum, [, size]) => sum + size, 0);
    return [...this.#entries.values()].reduce((sum, entry) => sum + entry.derivedBytes, blobs);
  }

  get #modules(): string {
    return join(this.#folder, "modules");
  }

  #path(digest: Digest): string {
    return join(this.#modules, digest.slice("sha256:".length));
  }

  async #hold(digest: Digest, entry: Entry): Promise<ModuleLease> {
    entry.users += 1;
    entry.lastUsed = performance.now();
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      entry.users -= 1;
      entry.lastUsed = performance.now();
    };
    try {
      entry.module ??= openModule(this.#path(digest));
      const module = await entry.module;
      const bytes = entry.files.reduce((sum, { size }) => sum + size, 0);
      const { batching } = entry.content;
      return { digest, folder: module.folder, manifest: module.manifest, module, batching, bytes, release };
    } catch (error) {
      entry.module = undefined;
      release();
      throw error;
    }
  }

  /** @param known what an earlier run wrote down; where that was damaged, the source is asked again */
  async #fetch(digest: Digest, known: Content | undefined): Promise<Entry> {
    // What is being removed may be this very module; whoever began that is told where it failed.
    await this.#collecting.catch(() => undefined);
    const signal = fetchDeadline();
    if (known !== undefined)
      try {
        return await this.#assemble(digest, known, signal);
      } catch (error) {
        if (!(error instanceof ProblemError && DAMAGED.has(error.code))) throw error;
      }
    return await this.#assemble(digest, await this.#source.content(digest, signal), signal);
  }

  async #assemble(digest: Digest, content: Content, signal: AbortSignal): Promise<Entry> {
    if (content.digest !== digest) throw problem("digest-mismatch");
    const files = runtimeFiles(content.files);
    const folder = join(this.#folder, "incoming", randomUUID());
    this.#borrow(files, 1);
    try {
      await assembleFolder(folder, files, this.blobs, signal);
      await checkDigest(folder, digest, content.files);
      // Whatever takes room comes first: what replaces what was here is only names.
      await writeFile(`${folder}.json`, JSON.stringify(content));
      await carryOptimized(this.#path(digest), folder);
      await rm(this.#path(digest), { recursive: true, force: true });
      await rename(folder, this.#path(digest));
      await rename(`${folder}.json`, `${this.#path(digest)}.json`);
      const entry = this.#adopt(digest, content, true);
      entry.users += 1;
      try {
        await this.#collect();
      } finally {
        entry.users -= 1;
      }
      return entry;
    } catch (error) {
      throw asDiskFull(error);
    } finally {
      await rm(folder, { recursive: true, force: true });
      await rm(`${folder}.json`, { force: true });
      this.#borrow(files, -1);
    }
  }

  #adopt(digest: Digest, content: Content, assembled: boolean): Entry {
    const files = runtimeFiles(content.files);
    const lastUsed = performance.now();
    const entry: Entry = {
      content,
      files,
      users: 0,
      lastUsed,
      module: undefined,
      derivedBytes: 0,
      assembled,
    };
    this.#entries.set(digest, entry);
    for (const file of files) this.#unowned.delete(file.digest);
    return entry;
  }

  #borrow(files: readonly VersionFile[], change: 1 | -1): void {
    for (const { digest } of files) {
      const users = (this.#borrowed.get(digest) ?? 0) + change;
      if (users > 0) this.#borrowed.set(digest, users);
      else this.#borrowed.delete(digest);
    }
  }

  #sizes(): [Digest, number][] {
    return [
      ...new Map([
        ...this.#unowned,
        ...[...this.#entries.values()].flatMap(({ files }) => files.map((f) => [f.digest, f.size] as const)),
      ]),
    ];
  }

  #collect(): Promise<void> {
    // Each caller is told of its own failure; the next one begins afresh.
    const collectNow = () => this.#collectNow();
    this.#collecting = this.#collecting.then(collectNow, collectNow);
    return this.#collecting;
  }

  async #collectNow(): Promise<void> {
    for (const [digest, entry] of this.#entries) {
      if (!entry.assembled) continue;
      await removeAbandoned(this.#path(digest));
      entry.derivedBytes = await derivedBytes(this.#path(digest));
    }
    while (this.bytes > this.#maxBytes) {
      const [unowned] = this.#unowned.keys();
      if (unowned !== undefined) {
        this.#unowned.delete(unowned);
        continue;
      }
      const [digest] =
        [...this.#entries]
          .filter(([candidate, { users }]) => users === 0 && !this.#flights.has(candidate))
          .sort(([, a], [, b]) => a.lastUsed - b.lastUsed)[0] ?? [];
      if (digest === undefined) break;
      this.#entries.delete(digest);
      this.#onEvict(digest);
      await rm(`${this.#path(digest)}.json`, { force: true });
      await rm(this.#path(digest), { recursive: true, force: true });
    }
    const kept = new Set(this.#sizes().map(([digest]) => digest));
    for (const digest of await this.blobs.list())
      if (!kept.has(digest) && !this.#borrowed.has(digest)) await this.blobs.remove(digest);
  }
}

/** Throws `digest-mismatch` unless these files are the version with this digest. */
async function checkDigest(folder: string, digest: Digest, files: readonly VersionFile[]): Promise<void> {
  const listed = files.some(({ path }) => path === "module.json");
  if (!listed) throw problem("digest-mismatch", "The version's files lack module.json.");
  const manifest = parseManifest(await readFile(join(folder, "module.json")));
  const hex = createHash("sha256").update(versionContent(files, manifest)).digest("hex");
  if (digestOfHex(hex) !== digest)
    throw problem("digest-mismatch", "The files are not those of the version.");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
