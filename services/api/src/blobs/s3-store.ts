import type { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { ProblemError, problem } from "@modulehub/core";
import type { BlobStore, ByteRange, Part, StoreUpload } from "./blob-store.ts";
import type { S3Connection } from "./s3-client.ts";
import { atStore, isInvalidPart, isMissing, isNoSuchUpload, lostBytes, storeError } from "./s3-errors.ts";
import { KEY_METADATA, objectOf } from "./s3-keys.ts";
import { listObjects, listParts, listUploads, type TaggedPart, uploadsOf } from "./s3-lists.ts";
import { S3Pieces } from "./s3-pieces.ts";

/** S3's least size of a part that is not the last, in bytes. */
const LEAST_PART = 5 * 1_048_576;

/** How often an object is looked at whose server answers about other bytes. */
const LOOKS = 3;

/** How long a look whether the server is there may take, in milliseconds. */
const CHECK = 2_000;

/** Bytes that a server joins in a millisecond at least; some copy them all. */
const JOINED_PER_MS = 20_000;

/**
 * A blob store in a bucket of an S3 server. What it relies on is little: multipart uploads, whole or not at all, and
 * reads after writes. Conditional writes differ between servers and are not used.
 */
export function s3Store(connection: S3Connection): BlobStore {
  const { bucket, calls, reads } = connection;
  const at = (key: string) => ({ Bucket: bucket, Key: objectOf(key) });
  const inUpload = ({ key, handle }: StoreUpload) => ({ ...at(key), UploadId: handle });

  /** How many bytes lie under a key; undefined where none do. */
  async function sizeOf(key: string): Promise<number | undefined> {
    try {
      const found = await calls.send(new HeadObjectCommand(at(key)));
      if (found.Metadata?.[KEY_METADATA] !== key) throw lostBytes(key);
      return found.ContentLength;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** The bytes of a range of an object that has `size` bytes. A server that answers about another is asked again. */
  async function open(key: string, size: number, range: ByteRange): Promise<Readable> {
    for (let tries = 1; ; tries++) {
      const body = await openOnce(key, size, range);
      if (body !== undefined) return body;
      if (tries === LOOKS) throw lostBytes(key);
    }
  }

  /** Undefined where the answer is about other bytes. */
  async function openOnce(
    key: string,
    size: number,
    { start, end }: ByteRange,
  ): Promise<Readable | undefined> {
    const answer = await reads
      .send(new GetObjectCommand({ ...at(key), ...(size > 0 && { Range: `bytes=${start}-${end}` }) }))
      .catch((error: unknown) => {
        const isShort = error instanceof Error && error.name === "InvalidRange";
        throw isMissing(error) || isShort ? lostBytes(key, error) : error;
      });
    const body = answer.Body as Readable;
    const total = size === 0 ? answer.ContentLength : Number(answer.ContentRange?.split("/")[1]);
    const isWhole = answer.ContentLength === (size === 0 ? 0 : end - start + 1);
    // Fewer bytes than the headers say would leave the client waiting, and the connection out of step.
    if (total === size && isWhole && answer.Metadata?.[KEY_METADATA] === key) return body;
    body.on("error", () => undefined).destroy();
    return undefined;
  }

  const begin = (key: string) =>
    atStore(async () => {
      const { UploadId } = await calls.send(
        new CreateMultipartUploadCommand({
          ...at(key),
          ContentType: "application/octet-stream",
          Metadata: { [KEY_METADATA]: key },
        }),
      );
      if (UploadId === undefined) throw new Error("The blob store began an upload without a name.");
      return UploadId;
    });

  return {
    parts: {
      way: "direct",
      begin,
      knows: (upload) =>
        atStore(async () => {
          try {
            await listParts(calls, inUpload(upload), undefined);
            return true;
          } catch (error) {
            if (!isNoSuchUpload(error)) throw error;
            return (await sizeOf(upload.key)) !== undefined;
          }
        }),
      urls: (upload, parts) => atStore(() => connection.partUrls(upload, parts)),
    },
    leastPartSize: LEAST_PART,

    received: (upload, parts) =>
      atStore(async () => {
        try {
          const there = await partsThere(upload, parts);
          // Parts that were joined may be taken away one by one, before the upload is known no more.
          if (there.length < parts.length && (await sizeOf(upload.key)) !== undefined) return "assembled";
          return there.map(({ number }) => number);
        } catch (error) {
          if (!isNoSuchUpload(error)) throw error;
          return (await sizeOf(upload.key)) === undefined ? [] : "assembled";
        }
      }),

    assemble: (upload, parts) =>
      atStore(async () => {
        if (parts.length === 0) await putEmpty(upload.key);
        else await join(upload, parts);
        return undefined;
      }),

    discardUpload: (key) =>
      atStore(async () => {
        for (const handle of await uploadsOf(calls, at(key))) await abort({ key, handle });
      }),

    read: (key, size, range = { start: 0, end: size - 1 }) =>
      atStore(async () => {
        const first = await open(key, size, range);
        return new S3Pieces(first, range, (start) =>
          atStore(() => open(key, size, { start, end: range.end })),
        );
      }),

    delete: (key) =>
      atStore(async () => {
        await calls.send(new DeleteObjectCommand(at(key))).catch((error: unknown) => {
          if (!isMissing(error)) throw error;
        });
      }),

    list: (what, cursor) =>
      atStore(() => (what === "blobs" ? listObjects : listUploads)(calls, bucket, cursor)),

    check: () =>
      atStore(async () => {
        await calls.send(new HeadBucketCommand({ Bucket: bucket }), { requestTimeout: CHECK });
      }),
  };

  /** Those of some parts, ascending, that are there with their sizes. */
  async function partsThere(upload: StoreUpload, parts: readonly Part[]): Promise<TaggedPart[]> {
    const sizes = new Map(parts.map(({ number, size }) => [number, size]));
    const from = parts[0]?.number;
    const there = await listParts(calls, inUpload(upload), from);
    return there.filter(({ number, size }) => sizes.get(number) === size);
  }

  /** Multipart uploads have at least one part. Without bytes there is nothing that a second write could change. */
  async function putEmpty(key: string): Promise<void> {
    await calls.send(
      new PutObjectCommand({ ...at(key), Body: new Uint8Array(), Metadata: { [KEY_METADATA]: key } }),
    );
  }

  async function join(upload: StoreUpload, parts: readonly Part[]): Promise<void> {
    const size = parts.reduce((sum, part) => sum + part.size, 0);
    try {
      const there = await partsThere(upload, parts);
      if (there.length < parts.length) {
        const numbers = new Set(there.map(({ number }) => number));
        throw incomplete(parts.map(({ number }) => number).filter((number) => !numbers.has(number)));
      }
      await calls.send(
        new CompleteMultipartUploadCommand({
          ...inUpload(upload),
          MultipartUpload: {
            Parts: there.map(({ number, tag }) => ({ PartNumber: number, ETag: tag })),
          },
        }),
        { requestTimeout: connection.answerWithin + size / JOINED_PER_MS },
      );
    } catch (error) {
      const isIncomplete = error instanceof ProblemError && error.code === "upload-incomplete";
      if (!isIncomplete && !isInvalidPart(error) && !isNoSuchUpload(error)) throw error;
      // It may have been joined already: by an answer that was lost, or by another that was asked to. Its parts then go
      // one by one, before the upload is known no more.
      const stored = await sizeOf(upload.key);
      if (stored === undefined) throw isIncomplete ? error : incomplete([], error);
      if (stored !== size) throw lostBytes(upload.key, error);
    }
  }

  async function abort(upload: StoreUpload): Promise<void> {
    await calls.send(new AbortMultipartUploadCommand(inUpload(upload))).catch((error: unknown) => {
      if (!isNoSuchUpload(error)) throw error;
    });
  }
}

const incomplete = (numbers: readonly number[], cause?: unknown) =>
  problem(
    "upload-incomplete",
    numbers.length === 0
      ? "Parts were sent again, or taken away, while they were joined; ask which are there."
      : `Parts are missing, or have other sizes: ${numbers.slice(0, 20).join(", ")}.`,
    { cause },
  );

/**
 * Makes the bucket where there is none. Throws `store-unavailable` with the reason: credentials that the server does
 * not know, or no server.
 */
export async function createBucket({ bucket, calls }: S3Connection): Promise<void> {
  try {
    await calls.send(new HeadBucketCommand({ Bucket: bucket }));
    return;
  } catch (error) {
    if (!isMissing(error)) throw storeError(error);
  }
  await calls.send(new CreateBucketCommand({ Bucket: bucket })).catch((error: unknown) => {
    // Another replica was first.
    if (error instanceof Error && /^BucketAlready(OwnedByYou|Exists)$/.test(error.name)) return;
    throw storeError(error);
  });
}
