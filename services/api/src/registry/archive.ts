import { hash } from "node:crypto";
import { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import { problem } from "@modulehub/core";
import type { BlobStore, ByteRange } from "../blobs/blob-store.ts";
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
  read(archive: Archive, keys: ReadonlyMap<string, string>, range?: ByteRange): Promise<Readable>;
}

export function createArchiveReader(store: Pick<BlobStore, "read">): ArchiveReader {
  /** CRC-32s by ETag, the latest last. */
  const checksums = new Map<string, number>();

  return {
    async read(archive, keys, range = { start: 0, end: archive.size - 1 }) {
      const needsCrc = range.end >= archive.size - GZIP_TRAILER && !checksums.has(archive.etag);
      const firstBlock = needsCrc ? 0 : blockAt(archive, range.start);
      const source = tarSource(archive, keys);
      await source.check(firstBlock * BLOCK, blockAt(archive, range.end) * BLOCK + BLOCK);
      const pieces = gzip(archive, source, firstBlock);
      const stream: Readable = Readable.from(
        pieceOf(pieces, archive, firstBlock, range, () => stream.destroyed),
        { objectMode: true, highWaterMark: 1 },
      );
      return stream;
    },
  };

  /** The archive from a stored block on, to its end. */
  async function* gzip(archive: Archive, source: TarSource, firstBlock: number): AsyncGenerator<Buffer> {
    if (firstBlock === 0) yield GZIP_HEADER;
    let offset = firstBlock * BLOCK;
    let crc = 0;
    for await (const bytes of source.read(offset)) {
      if (firstBlock === 0) crc = crc32(bytes, crc);
      yield storedBlocks(bytes, offset, archive.tarSize);
      offset += bytes.byteLength;
    }
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

    async function open({ entry, digest }: Member, start: number, end = entry.size - 1) {
      const key = digest && keys.get(digest);
      if (key === undefined) throw lost();
      return store.read(key, entry.size, { start, end });
    }

    return {
      async check(start, end) {
        const needed = members.filter(
          ({ entry: { size }, data }) => size > 0 && data + size > start && data < end,
        );
        for (let first = 0; first < needed.length; first += LOOKS)
          await Promise.all(
            needed.slice(first, first + LOOKS).map(async (member) => (await open(member, 0, 0)).destroy()),
          );
      },

      async *read(from) {
        for (const member of members) {
          const { entry, start, data } = member;
          const end = data + entry.size;
          if (data > from) yield tarHeader(entry).subarray(Math.max(from - start, 0));
          if (entry.size > 0 && end > from) {
            let taken = Math.max(from - data, 0);
            for await (const chunk of await open(member, taken)) {
              const bytes: Buffer = chunk;
              taken += bytes.byteLength;
              yield bytes;
            }
            // Less than the length that was promised would put the connection out of step.
            if (taken !== entry.size) throw lost();
          }
          yield* zeros(end, end + tarPadding(entry.size), from);
        }
        yield* zeros(tarSize - TAR_END, tarSize, from);
      },
    };
  }
}

interface TarSource {
  /** Throws unless the store has the files that lie between two places of the tar. */
  check(start: number, end: number): Promise<void>;
  /** The tar from a place on, to its end, in pieces of any size. */
  read(from: number): AsyncGenerator<Buffer>;
}

/** The zeros between two places, as far as they lie behind a third. */
function* zeros(start: number, end: number, from: number): Generator<Buffer> {
  const first = Math.max(start, from);
  if (end > first) yield Buffer.alloc(end - first);
}

/** The stored block in which a byte of the archive lies; gzip's header counts to the first, its trailer to the last. */
function blockAt({ tarSize }: Archive, position: number): number {
  const block = Math.floor((position - GZIP_HEADER.byteLength) / (BLOCK + BLOCK_HEADER));
  return Math.min(Math.max(block, 0), Math.ceil(tarSize / BLOCK) - 1);
}

/** Bytes of a tar with the headers of the stored blocks that begin in them. */
function storedBlocks(bytes: Buffer, offset: number, tarSize: number): Buffer {
  const end = offset + bytes.byteLength;
  const headers = Math.ceil(end / BLOCK) - Math.ceil(offset / BLOCK);
  const framed = Buffer.allocUnsafe(bytes.byteLength + headers * BLOCK_HEADER);
  let at = 0;
  for (let place = offset; place < end; ) {
    if (place % BLOCK === 0) {
      const left = tarSize - place;
      const length = Math.min(BLOCK, left);
      at = framed.writeUInt8(left <= BLOCK ? 1 : 0, at);
      at = framed.writeUInt16LE(length, at);
      at = framed.writeUInt16LE(length ^ 0xffff, at);
    }
    const next = Math.min(end, place - (place % BLOCK) + BLOCK);
    at += bytes.copy(framed, at, place - offset, next - offset);
    place = next;
  }
  return framed;
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
  if (place !== archive.size) throw new Error(`An archive of ${archive.size} bytes came out as ${place}.`);
}
