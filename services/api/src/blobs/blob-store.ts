import type { Readable } from "node:stream";
import type { Digest } from "@modulehub/core";
import type { Pieces } from "./pieces.ts";

/** The first and the last byte of a range, both included, both inside the blob. */
export interface ByteRange {
  start: number;
  end: number;
}

/** What a store keeps under one name: a blob's key, or that of an upload that has begun. */
export interface StoredName {
  name: string;
  /** When its bytes were last written, by the store's clock. */
  writtenAt: Date;
}

export interface StoredNames {
  items: StoredName[];
  /** Where the next page begins; absent on the last. A page may be empty although others follow. */
  next?: string;
}

/** A part of an upload: its number, from 1 on, and how many bytes it has. */
export interface Part {
  number: number;
  size: number;
}

/** An upload as a store knows it. */
export interface StoreUpload {
  /** The storage key that its bytes will lie under: made for this upload, never used again. */
  key: string;
  /** What `begin` answered; empty where parts pass the hub, and where there are none. */
  handle: string;
}

/** Parts pass the hub, which writes them. */
export interface PartsByHub {
  way: "hub";
  /**
   * Keeps one part of an upload, replacing an earlier one of that number at once or not at all. Durable when it
   * returns. Throws `size-mismatch` unless the body has exactly the part's size.
   */
  write(upload: StoreUpload, part: Part, body: Readable): Promise<void>;
}

/** Parts go to the store, and the hub never sees them. */
export interface PartsDirect {
  way: "direct";
  /** Begins an upload; the answer is the store's own name for it. One that is begun again has two, with parts of their own. */
  begin(key: string): Promise<string>;
  /**
   * Whether the store still has an upload that was begun, or what it was joined to. One that was killed while it joined
   * an upload may know neither afterwards, and then takes no part of it again.
   */
  knows(upload: StoreUpload): Promise<boolean>;
  /** Addresses to which each part, and nothing of another size, can be sent with PUT for a while, any number of times. */
  urls(upload: StoreUpload, parts: readonly Part[]): Promise<string[]>;
}

/**
 * Where bytes lie. A store knows nothing of digests as names: bytes lie under storage keys that are made for
 * one upload and never used again, and the database says which key has which digest.
 *
 * Errors: `store-unavailable` where the store could not do it, or has lost bytes that it was given: a key is
 * only ever asked for by one who knows that they are stored. Every implementation passes `blobStoreContract`.
 */
export interface BlobStore {
  readonly parts: PartsByHub | PartsDirect;
  /** The least bytes that a part may have, but for an upload's last. */
  readonly leastPartSize: number;
  /** The numbers of those parts that are there, whole; or that they were assembled, and are parts no more. */
  received(upload: StoreUpload, parts: readonly Part[]): Promise<number[] | "assembled">;
  /**
   * Joins parts, all that the upload has, into bytes under its key. Durable when it returns. A store that has read
   * the bytes tells their digest; one that hasn't, nothing: then they are to be read before anybody relies on them.
   * The bytes under a key never change once they are there: asked again, it tells of those. Throws
   * `upload-incomplete` where a part is not there, or not of that size.
   */
  assemble(upload: StoreUpload, parts: readonly Part[]): Promise<Digest | undefined>;
  /** Forgets the parts of all uploads that were begun under a key; none is enough, too. */
  discardUpload(key: string): Promise<void>;
  /**
   * The bytes under a key, `size` in all, or a range of them. They are there when the promise resolves; that they
   * are fewer after all is thrown while they are read.
   */
  read(key: string, size: number, range?: ByteRange): Promise<Pieces>;
  /** Deletes the bytes under a key; bytes that are not there count as deleted. */
  delete(key: string): Promise<void>;
  /**
   * A page of all keys, or of all keys under which uploads have begun, in an order of the store's own. What is
   * written or deleted meanwhile may be there or not.
   */
  list(what: "blobs" | "uploads", cursor?: string): Promise<StoredNames>;
  /** Throws `store-unavailable` unless the store can be reached. */
  check(): Promise<void>;
}
