import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { problem } from "@modulehub/core";
import type { BlobStore, ByteRange } from "../blobs/blob-store.ts";
import type { Pieces } from "../blobs/pieces.ts";
import { TAR_END, type TarEntry, tarHeader, tarPadding } from "./tar-headers.ts";

/**
 * A version's files as a tar.gz whose length and bytes are known before the first file is read: gzip's
 * deflate stream consists of stored blocks (RFC 1951, section 3.2.4; weights hardly compress), and no header
 * says anything that the file list does not.
 */

/** Magic, deflate, no flags, no time, no level, unknown system: RFC 1952, section 2.3. */
const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
/** CRC-32 and length of what is inside, four bytes each. */
const GZIP_TRAILER = 8;
/** The most that a stored block holds, and what each one costs. */
const BLOCK = 65_535;
const BLOCK_HEADER = 5;
/** Bytes that are sent at once: two whole stored blocks. */
const PIECE = 2 * (BLOCK + BLOCK_HEADER);

/** Changes with the archive's form, so that no client joins pieces of two. */
const FORM = "tar.gz/1";

/** Files looked at in the store at once, before an answer begins. */
const LOOKS = 16;

/** Archives whose CRC-32 is remembered. */
const REMEMBERED = 1_000;

export interface ArchiveFile {
  path: string;
  size: number;
  digest: string;
}

/** What is to be sent, before any of it is read. */
export interface Archive {
  /** Bytes of the archive. */
  size: number;
  /** A strong ETag (RFC 9110, section 8.8.3): equal tags mean equal bytes. */
  etag: string;
  tarSize: number;
  members: readonly Member[];
}

interface Member {
  entry: TarEntry;
  /** Where the entry's header begins in the tar, and where its bytes do. */
  start: number;
  data: number;
  /** Undefined for a folder. */
  digest?: string;
}

/** Lays an archive out: every folder, then every file, each sorted by the bytes of its path. */
export function planArchive(files: readonly ArchiveFile[]): Archive {
  const sorted = files.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  const folders = new Set(sorted.flatMap(({ path }) => foldersOf(path)));
  const entries = [
    ...[...folders].map((path) => ({ entry: { path, kind: "folder", size: 0 } as const })),
    ...sorted.map(({ path, size, digest }) => ({ entry: { path, kind: "file", size } as const, digest })),
  ];
  let end = 0;
  const members = entries.map((member): Member => {
    const start = end;
    const data = start + tarHeader(member.entry).byteLength;
    end = data + member.entry.size + tarPadding(member.entry.size);
    return { ...member, start, data };
  });
  const tarSize = end + TAR_END;
  const list = sorted.map(({ path, size, digest }) => [path, size, digest]);
  return {
    size: GZIP_HEADER.byteLength + BLOCK_HEADER * Math.ceil(tarSize / BLOCK) + tarSize + GZIP_TRAILER,
    etag: `"${hash("sha256", JSON.stringify([FORM, list]))}"`,
    tarSize,
    members,
  };
}

/** `a` and `a/b` for `a/b/c`. */
const foldersOf = (path: string): string[] =>
  [...path.matchAll(/\//g)].map(({ index }) => path.slice(0, index));

/** Reads archives from a store. */
export interface ArchiveReader {
  /**
   * The bytes of an archive, or of a range of them, read as they are taken. `keys` says where the store has
   * each digest. What the range needs is there when the promise resolves: throws `store-unavailable` where
   * it is not.
   *
   * A range is read from its own beginning, except one that takes in the CRC at the archive's end: that
   * costs a pass over all files, once while the process remembers the archive.
   */
  read(archive: Archive, keys: ReadonlyMap<string, string>, range?: ByteRange): Promise<Pieces>;
}

export function createArchiveReader(store: Pick<BlobStore, "read">): ArchiveReader {
  /** CRC-32s by ETag, the latest last. */
  const checksums = new Map<string, number>();

  return {
    async read(archive, keys, range = { start: 0, end: archive.size - 1 }) {
      const needsCrc = range.end >= archive.size - GZIP_TRAILER && !checksums.has(archive.etag);
      const firstBlock = needsCrc ? 0 : blockAt(archive, range.start);
      const source = tarSource(archive, keys);
      const end = Math.min(blockAt(archive, range.end) * BLOCK + BLOCK, archive.tarSize);
      await source.check(firstBlock * BLOCK, end);
      let isGivenUp = false;
      return {
        [Symbol.asyncIterator]: () =>
          pieceOf(gzip(archive, source, firstBlock, end), archive, firstBlock, range, () => isGivenUp),
        // A file is open while a piece is being made only, and closed behind it.
        async close() {
          isGivenUp = true;
        },
      };
    },
  };

  /** The archive from a stored block on, as far as `end` of its tar, the end of a block too. */
  async function* gzip(
    archive: Archive,
    source: TarSource,
    firstBlock: number,
    end: number,
  ): AsyncGenerator<Buffer> {
    if (firstBlock === 0) yield GZIP_HEADER;
    const start = firstBlock * BLOCK;
    let crc = 0;
    const seen = (bytes: Uint8Array) => {
      if (firstBlock === 0) crc = crc32(bytes, crc);
    };
    yield* storedBlocks(source.read(start, end), start, archive.tarSize, seen);
    if (end < archive.tarSize) return;
    if (firstBlock === 0) remember(archive.etag, crc);
    const trailer = Buffer.alloc(GZIP_TRAILER);
    trailer.writeUInt32LE(checksums.get(archive.etag) ?? crc, 0);
    trailer.writeUInt32LE(archive.tarSize % 2 ** 32, 4);
    yield trailer;
  }

  function remember(etag: string, crc: number): void {
    checksums.delete(etag);
    checksums.set(etag, crc);
    const [oldest] = checksums.keys();
    if (checksums.size > REMEMBERED && oldest !== undefined) checksums.delete(oldest);
  }

  function tarSource({ members, tarSize }: Archive, keys: ReadonlyMap<string, string>): TarSource {
    const lost = () => problem("store-unavailable", "The blob store has lost a file of this; restore it.");

    async function open({ size }: TarEntry, digest: string | undefined, range: ByteRange) {
      const key = digest && keys.get(digest);
      if (key === undefined) throw lost();
      return store.read(key, size, range);
    }

    return {
      async check(start, end) {
        const needed = members.filter(
          ({ entry: { size }, data }) => size > 0 && data + size > start && data < end,
        );
        for (let first = 0; first < needed.length; first += LOOKS)
          await Promise.all(
            needed.slice(first, first + LOOKS).map(async ({ entry, digest }) => {
              const pieces = await open(entry, digest, { start: 0, end: 0 });
              await pieces.close();
            }),
          );
      },

      async *read(from, to) {
        for (const { entry, start, data, digest } of members) {
          if (start >= to) return;
          const end = data + entry.size;
          if (data > from) yield between(tarHeader(entry), start, from, to);
          const first = Math.max(from, data);
          const last = Math.min(to, end) - 1;
          if (first <= last) {
            let taken = 0;
            for await (const bytes of await open(entry, digest, { start: first - data, end: last - data })) {
              taken += bytes.byteLength;
              yield bytes;
            }
            // Less than the length that was promised would put the connection out of step.
            if (taken !== last - first + 1) throw lost();
          }
          yield between(Buffer.alloc(tarPadding(entry.size)), end, from, to);
        }
        yield between(Buffer.alloc(TAR_END), tarSize - TAR_END, from, to);
      },
    };
  }
}

interface TarSource {
  /** Throws unless the store has the files that lie between two places of the tar. */
  check(start: number, end: number): Promise<void>;
  /** The tar from one place up to another, in pieces of any size. */
  read(from: number, to: number): AsyncGenerator<Uint8Array>;
}

/** What of some bytes, which begin at `start`, lies between two places. */
function between(bytes: Buffer, start: number, from: number, to: number): Buffer {
  const first = Math.max(from - start, 0);
  return bytes.subarray(first, Math.max(to - start, first));
}

/** The stored block in which a byte of the archive lies; gzip's header counts to the first, its trailer to the last. */
function blockAt({ tarSize }: Archive, position: number): number {
  const block = Math.floor((position - GZIP_HEADER.byteLength) / (BLOCK + BLOCK_HEADER));
  return Math.min(Math.max(block, 0), Math.ceil(tarSize / BLOCK) - 1);
}

/**
 * Bytes of a tar, from a place on, with the headers of stored blocks, in pieces that are lent and all full but the last: of
 * many small files too. `seen` is shown the bytes of the tar.
 */
async function* storedBlocks(
  tar: AsyncIterable<Uint8Array>,
  offset: number,
  tarSize: number,
  seen: (bytes: Uint8Array) => void,
): AsyncGenerator<Buffer> {
  const piece = Buffer.allocUnsafeSlow(PIECE);
  let at = 0;
  let place = offset;
  for await (const bytes of tar) {
    seen(bytes);
    for (let taken = 0; taken < bytes.byteLength; ) {
      // Room for a header, and for a byte behind it.
      if (PIECE - at <= BLOCK_HEADER) {
        yield piece.subarray(0, at);
        at = 0;
      }
      if (place % BLOCK === 0) {
        const left = tarSize - place;
        const length = Math.min(BLOCK, left);
        at = piece.writeUInt8(left <= BLOCK ? 1 : 0, at);
        at = piece.writeUInt16LE(length, at);
        at = piece.writeUInt16LE(length ^ 0xffff, at);
      }
      const count = Math.min(bytes.byteLength - taken, BLOCK - (place % BLOCK), PIECE - at);
      piece.set(bytes.subarray(taken, taken + count), at);
      at += count;
      taken += count;
      place += count;
    }
  }
  if (at > 0) yield piece.subarray(0, at);
}

/** A range of an archive, from pieces that begin at one of its blocks. */
async function* pieceOf(
  pieces: AsyncIterable<Buffer>,
  archive: Archive,
  firstBlock: number,
  range: ByteRange,
  isGivenUp: () => boolean,
): AsyncGenerator<Buffer> {
  let place = firstBlock === 0 ? 0 : GZIP_HEADER.byteLength + firstBlock * (BLOCK + BLOCK_HEADER);
  for await (const bytes of pieces) {
    const start = Math.max(range.start - place, 0);
    const end = Math.min(range.end + 1 - place, bytes.byteLength);
    place += bytes.byteLength;
    if (end > start) yield bytes.subarray(start, end);
    // What only passes bytes by is never waiting for its reader, and would not hear that it is gone.
    if (place > range.end || isGivenUp()) return;
  }
  if (place <= range.end) throw new Error(`An archive of ${archive.size} bytes came out as ${place}.`);
}
