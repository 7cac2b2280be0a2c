import { readdirSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Random } from "../random.ts";
import type { FileCall } from "./system-calls.ts";

/** A file's bytes reach the disk in pieces of this size, each on its own. */
const PAGE = 4_096;

interface File {
  kind: "file";
  /** Before the trace. */
  base: Buffer;
  size: number;
  changes: ({ at: number } & (
    | { kind: "write"; offset: number; bytes: Buffer }
    | { kind: "truncate"; size: number }
  ))[];
  syncs: Sync[];
}
interface Folder {
  kind: "folder";
  /** As the traced process sees it. */
  now: Map<string, Entry>;
  /** Before the trace. */
  base: Map<string, Entry>;
  syncs: Sync[];
}
type Entry = File | Folder;
interface Sync {
  begun: number;
  done: number;
}

/** Names that are set and taken away by one call; it comes to the disk whole or not at all. */
interface Naming {
  at: number;
  sets: { folder: Folder; name: string; entry: Entry | undefined }[];
  /** What has the name. */
  about: Entry | undefined;
}

/** Of what was not synced, what happens to reach the disk. */
export type Fate = "nothing" | "everything" | "some";

/**
 * A disk under a traced process, as POSIX promises it and no better: what was synced is there, each page of what was
 * not may be there or not, in no order. A file's sync makes the names it was given durable, as journaling file systems
 * do (PostgreSQL relies on that for the files of new tables); a folder's sync makes all names in it durable.
 */
export class Disk {
  readonly #root: Folder;
  readonly #folder: string;
  readonly #namings: Naming[] = [];

  /** `before` is a copy of the folder made before the trace; nothing of it is in doubt. */
  constructor(folder: string, before: string, calls: readonly FileCall[]) {
    this.#folder = folder;
    this.#root = readFolder(before);
    for (const call of calls) this.#apply(call);
  }

  #names(path: string): string[] {
    return path.slice(this.#folder.length + 1).split("/");
  }

  #find(path: string): Entry | undefined {
    if (path === this.#folder) return this.#root;
    if (!path.startsWith(`${this.#folder}/`)) return undefined;
    let entry: Entry | undefined = this.#root;
    for (const name of this.#names(path)) entry = entry?.kind === "folder" ? entry.now.get(name) : undefined;
    return entry;
  }

  #name(at: number, about: Entry | undefined, sets: { path: string; entry: Entry | undefined }[]): void {
    const within = sets.flatMap(({ path, entry }) => {
      const folder = this.#find(dirname(path));
      if (folder?.kind !== "folder") throw new Error(`${path} lies in no folder`);
      if (entry === undefined) folder.now.delete(basename(path));
      else folder.now.set(basename(path), entry);
      return [{ folder, name: basename(path), entry }];
    });
    this.#namings.push({ at, sets: within, about });
  }

  #apply(call: FileCall): void {
    switch (call.kind) {
      case "open": {
        const found = this.#find(call.path);
        if (found === undefined && call.create) {
          const entry: File = { kind: "file", base: Buffer.alloc(0), size: 0, changes: [], syncs: [] };
          this.#name(call.done, entry, [{ path: call.path, entry }]);
        } else if (found?.kind === "file" && call.truncate) truncate(found, 0, call.done);
        return;
      }
      case "write": {
        const file = this.#find(call.path);
        if (file?.kind !== "file") return;
        // Without an offset a file is written from its beginning on, or added to; none is both here.
        const offset = call.offset ?? file.size;
        file.changes.push({ at: call.done, kind: "write", offset, bytes: call.bytes });
        file.size = Math.max(file.size, offset + call.bytes.length);
        return;
      }
      case "truncate": {
        const file = this.#find(call.path);
        if (file?.kind === "file") truncate(file, call.size, call.done);
        return;
      }
      case "sync":
        this.#find(call.path)?.syncs.push({ begun: call.begun, done: call.done });
        return;
      case "rename":
      case "link": {
        const entry = this.#find(call.from);
        const away = call.kind === "rename" ? [{ path: call.from, entry: undefined }] : [];
        if (entry !== undefined) this.#name(call.done, entry, [...away, { path: call.to, entry }]);
        return;
      }
      case "unlink":
      case "rmdir":
        this.#name(call.done, this.#find(call.path), [{ path: call.path, entry: undefined }]);
        return;
      case "mkdir": {
        const entry: Folder = { kind: "folder", now: new Map(), base: new Map(), syncs: [] };
        this.#name(call.done, entry, [{ path: call.path, entry }]);
      }
    }
  }

  /** Writes out, to a new folder, what the disk holds after the power was cut at a moment. */
  async cut(at: number, fate: Fate, random: Random, to: string): Promise<void> {
    const lucky = () => (fate === "some" ? random.next() < 0.5 : fate === "everything");
    const names = new Map<Folder, Map<string, Entry>>();
    const namesIn = (folder: Folder) => {
      const known = names.get(folder) ?? new Map(folder.base);
      names.set(folder, known);
      return known;
    };
    for (const naming of this.#namings) {
      if (naming.at > at) continue;
      const synced = [
        ...naming.sets.map(({ folder }) => folder),
        ...(naming.about ? [naming.about] : []),
      ].some((entry) => isSynced(entry, naming.at, at));
      if (!synced && !lucky()) continue;
      for (const { folder, name, entry } of naming.sets)
        if (entry === undefined) namesIn(folder).delete(name);
        else namesIn(folder).set(name, entry);
    }
    const write = async (folder: Folder, path: string): Promise<void> => {
      await mkdir(path, { mode: 0o700 });
      for (const [name, entry] of namesIn(folder))
        if (entry.kind === "folder") await write(entry, join(path, name));
        else await writeFile(join(path, name), contentAt(entry, at, lucky), { mode: 0o600 });
    };
    await write(this.#root, to);
  }
}

function truncate(file: File, size: number, at: number): void {
  file.changes.push({ at, kind: "truncate", size });
  file.size = size;
}

/** Whether a sync that began after a change had ended before the moment. */
const isSynced = (entry: Entry, changed: number, at: number): boolean =>
  entry.syncs.some(({ begun, done }) => begun >= changed && done <= at);

function contentAt(file: File, at: number, lucky: () => boolean): Buffer {
  if (file.changes.length === 0) return file.base;
  let content = Buffer.from(file.base);
  for (const change of file.changes) {
    if (change.at > at) continue;
    const synced = isSynced(file, change.at, at);
    if (change.kind === "truncate") {
      if (!synced && !lucky()) continue;
      const shorter = Buffer.alloc(change.size);
      content.copy(shorter);
      content = shorter;
      continue;
    }
    const { offset, bytes } = change;
    for (let start = 0; start < bytes.length; ) {
      const length = Math.min(bytes.length - start, PAGE - ((offset + start) % PAGE));
      if (synced || lucky()) {
        const end = offset + start + length;
        if (end > content.length) content = Buffer.concat([content, Buffer.alloc(end - content.length)]);
        bytes.copy(content, offset + start, start, start + length);
      }
      start += length;
    }
  }
  return content;
}

function readFolder(path: string): Folder {
  const base = new Map<string, Entry>();
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inside = join(path, entry.name);
    if (entry.isDirectory()) base.set(entry.name, readFolder(inside));
    else {
      const bytes = readFileSync(inside);
      base.set(entry.name, { kind: "file", base: bytes, size: bytes.length, changes: [], syncs: [] });
    }
  }
  return { kind: "folder", now: new Map(base), base, syncs: [] };
}
