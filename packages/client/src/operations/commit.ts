import {
  type Digest,
  EMPTY_REVISION,
  ProblemError,
  parseModuleName,
  publisherOf,
  type Visibility,
} from "@modulehub/core";
import { scanFolder } from "../publish/scan-folder.ts";
import { memoryFiles } from "../publish/source-file.ts";
import { type HashedFile, hashFiles, withBytes } from "../publish/with-bytes.ts";
import type { Transport } from "../transport.ts";
import { type Head, headAnswer, headPath, readHead } from "./head.ts";
import { withPublisher } from "./with-publisher.ts";

export interface CommitOptions {
  /** Files to delete, by path; one that ends in `/` is a folder. */
  delete?: readonly string[];
  /** Deletes whatever the head has and the source hasn't. */
  mirror?: boolean;
  /** What is changed, and why. */
  message?: string;
  /** The revision that the change was made to. Default: the one that the head has when the call begins. */
  parent?: string;
  /** Of a module that this commit makes; `private` unless said. */
  visibility?: Visibility;
  /** Makes the publisher where there is none and the token may. */
  createPublisher?: boolean;
  signal?: AbortSignal;
}

/** What a commit does, in the hub's words. */
type Operation =
  | { kind: "put"; path: string; size: number; digest: Digest }
  | { kind: "delete" | "delete-folder"; path: string };

/**
 * Commits the files of a folder, or files by their paths, to a module's head: those that differ are put, others stay
 * unless they are deleted. Sends only the bytes that the hub lacks. A commit that changes nothing is none, and a
 * success. Throws `head-conflict` where the head has moved on since `parent`, LocalFileError, and as `Transport.call`.
 */
export async function commit(
  transport: Transport,
  module: string,
  source: string | Readonly<Record<string, string | Uint8Array>>,
  options: CommitOptions = {},
): Promise<Head> {
  const signal = options.signal ?? new AbortController().signal;
  const files = typeof source === "string" ? await scanFolder(source) : memoryFiles(source);
  const hashed = await hashFiles(files, signal);
  const head = await wholeHead(transport, module);
  const publisher = publisherOf(parseModuleName(head.module));
  const { message, visibility } = options;
  const parent = options.parent ?? head.revision;
  const body = { parent, operations: operationsFor(head, hashed, options), message, visibility };
  const send = () =>
    transport.call("POST", `${headPath(module)}/commits`, headAnswer, { body, retry: "safe", signal });
  const make = () => withBytes(transport, publisher, hashed, signal, send);
  return options.createPublisher ? withPublisher(transport, publisher, make) : make();
}

function operationsFor(head: WholeHead, hashed: readonly HashedFile[], options: CommitOptions): Operation[] {
  const there = new Map(head.files.map(({ path, digest }) => [path, digest]));
  const own = new Set(hashed.map(({ source }) => source.path));
  const mirrored = options.mirror ? [...there.keys()].filter((path) => !own.has(path)) : [];
  const deleted = new Set([...(options.delete ?? []), ...mirrored]);
  return [
    ...[...deleted].map(
      (path): Operation =>
        path.endsWith("/") ? { kind: "delete-folder", path: path.slice(0, -1) } : { kind: "delete", path },
    ),
    ...hashed
      .filter(({ source: { path }, digest }) => deleted.has(path) || there.get(path) !== digest)
      .map(({ source: { path, size }, digest }): Operation => ({ kind: "put", path, size, digest })),
  ];
}

type WholeHead = Pick<Head, "module" | "revision" | "files">;

/** A head with all its files. Of a module that is not there, or is not to be seen, the head of a new one. */
async function wholeHead(transport: Transport, module: string): Promise<WholeHead> {
  try {
    const head = await readHead(transport, module);
    const files = [...head.files];
    let { next } = head;
    while (next !== undefined) {
      const page = await readHead(transport, module, { cursor: next });
      files.push(...page.files);
      next = page.next;
    }
    return { ...head, files };
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code !== "module-not-found") throw error;
    return { module, revision: EMPTY_REVISION, files: [] };
  }
}
