import type { Readable } from "node:stream";
import type { Digest } from "@modulehub/core";
import type { Pieces } from "./pieces.ts";

/** The first and the last byte of a range, both included, both inside the blob. */
export interface ByteRange {
  start: number;
  end: number;
}

/** What a store keeps under one name: a blob's key, or the id of an upload that has parts. */
export interface StoredName {
  name: string;
  /** When its bytes were last written. */
  writtenAt: Date;
}

export interface StoredNames {
  items: StoredName[];
  /** Where the next page begins; absent on the last. A page may be empty although others follow. */
  next?: string;
}

/**
 * Where bytes lie. A store knows nothing of digests as names: bytes lie under storage keys that are made for
 * one upload and never used again, and the database says which key has which digest.
 *
 * Errors: `store-unavailable` where the store could not do it, or has lost bytes that it was given: a key is
 * only ever asked for by one who knows that they are stored. Every implementation passes `blobStoreContract`.
 */
export interface BlobStore {
  /**
   * Keeps one numbered part of an upload, replacing an earlier one of that number at once or not at all.
   * Durable when it returns. Throws `size-mismatch` unless the body has exactly `size` bytes.
   */
  writePart(upload: string, number: number, body: Readable, size: number): Promise<void>;
  /**
   * Joins parts, in the order given, into bytes under `key`, and tells what they are: size in bytes and
   * sha256 of what was stored. Durable when it returns. The parts stay until `discardUpload`. Throws
   * `upload-incomplete` where one is not there.
   */
  assemble(upload: string, parts: readonly number[], key: string): Promise<{ size: number; digest: Digest }>;
  /** Forgets an upload's parts; those of an upload that has none, too. */
  discardUpload(upload: string): Promise<void>;
  /**
   * The bytes under a key, `size` in all, or a range of them. They are there when the promise resolves; that they
   * are fewer after all is thrown while they are read.
   */
  read(key: string, size: number, range?: ByteRange): Promise<Pieces>;
  /** Deletes the bytes under a key; bytes that are not there count as deleted. */
  delete(key: string): Promise<void>;
  /**
   * A page of all keys, or of all uploads that have parts, in an order of the store's own. What is written or
   * deleted meanwhile may be there or not.
   */
  list(what: "blobs" | "uploads", cursor?: string): Promise<StoredNames>;
  /** Throws `store-unavailable` unless the store can be read and written. */
  check(): Promise<void>;
}
