import { closeSync, fsyncSync, openSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { PGlite } from "@electric-sql/pglite";
import { NodeFS } from "@electric-sql/pglite/nodefs";
import type { WriteAheadLog } from "./write-ahead-log.ts";

/** What is used here of Emscripten's file system on Node's (library_nodefs.js). */
interface NodeFileSystem {
  realPath(node: Node): string;
  /** Turns errors of Node's into those that PostgreSQL reads. */
  tryFSOperation<T>(operation: () => T): T;
  node_ops: Record<"mknod" | "rename" | "unlink" | "rmdir" | "symlink" | "setattr", Operation>;
  stream_ops: Record<"write" | "setattr", StreamOperation> & { fsync?: (stream: Stream) => number };
}
interface Node {
  mode: number;
}
interface Stream {
  node: Node;
}
type Operation = (...parameters: unknown[]) => unknown;
type StreamOperation = (stream: Stream, ...parameters: unknown[]) => unknown;

type Options = Parameters<NodeFS["init"]>[1];

/** A segment of the write-ahead log: 24 hexadecimal digits (PostgreSQL, xlog_internal.h, XLogFileName). */
const SEGMENT = /^[0-9A-F]{24}$/;

const isSegment = (path: string): boolean =>
  SEGMENT.test(basename(path)) && basename(dirname(path)) === "pg_wal";

/**
 * PGlite's folder with the `fsync` that Emscripten lacks: without it, PostgreSQL's own protocol of log, checkpoint and
 * control file is played to nobody, and a power cut may leave anything. Files and folders are synced when PostgreSQL
 * asks for it. Only the write-ahead log's turn is put off, off the event loop, and whatever is to be written elsewhere
 * waits for it: to PostgreSQL and to the disk the order is as if it had been done at once.
 */
export class DurableFiles extends NodeFS {
  readonly #log: WriteAheadLog;

  constructor(folder: string, log: WriteAheadLog) {
    super(folder);
    this.#log = log;
  }

  override async init(pglite: PGlite, options: Options) {
    const made = await super.init(pglite, options);
    const preRun = [
      (module: { NODEFS: NodeFileSystem }) => syncing(module.NODEFS, this.#log),
      ...(made.emscriptenOpts.preRun ?? []),
    ];
    return { emscriptenOpts: { ...made.emscriptenOpts, preRun } };
  }
}

/** Changes the file system of one WebAssembly module, which is its own. */
function syncing(files: NodeFileSystem, log: WriteAheadLog): void {
  const { node_ops: nodes, stream_ops: streams } = files;
  for (const name of ["mknod", "rename", "unlink", "rmdir", "symlink", "setattr"] as const) {
    const operation = nodes[name];
    nodes[name] = (...parameters) => {
      log.barrier();
      return operation(...parameters);
    };
  }
  for (const name of ["write", "setattr"] as const) {
    const operation = streams[name];
    streams[name] = (stream, ...parameters) => {
      if (!isSegment(files.realPath(stream.node))) log.barrier();
      return operation(stream, ...parameters);
    };
  }
  streams.fsync = (stream) => {
    const path = files.realPath(stream.node);
    if (isSegment(path)) log.ask(path);
    else {
      log.barrier();
      files.tryFSOperation(() => syncPath(path));
    }
    return 0;
  };
}

/** A file, or a folder with the names in it. Windows can't open folders, and needs no such thing. */
function syncPath(path: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    if (process.platform === "win32" && error instanceof Error && "code" in error && error.code === "EISDIR")
      return;
    throw error;
  }
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
