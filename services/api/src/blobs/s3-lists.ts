import {
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectsV2Command,
  ListPartsCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { z } from "zod";
import type { Part, StoredName, StoredNames } from "./blob-store.ts";
import { BLOBS, storageKeyOf } from "./s3-keys.ts";

/** A part as S3 has it. */
export interface TaggedPart extends Part {
  /** S3's own tag of these bytes: another part of this number has another. */
  tag: string;
}

/** The parts of a multipart upload, ascending, from a number on. */
export async function listParts(
  client: S3Client,
  upload: { Bucket: string; Key: string; UploadId: string },
  from = 1,
): Promise<TaggedPart[]> {
  const parts: TaggedPart[] = [];
  let marker = from > 1 ? String(from - 1) : undefined;
  for (;;) {
    const page = await client.send(new ListPartsCommand({ ...upload, PartNumberMarker: marker }));
    for (const { PartNumber, Size, ETag } of page.Parts ?? [])
      if (PartNumber !== undefined && Size !== undefined && ETag !== undefined && PartNumber >= from)
        parts.push({ number: PartNumber, size: Size, tag: ETag });
    if (page.IsTruncated !== true || page.NextPartNumberMarker === undefined) break;
    marker = page.NextPartNumberMarker;
  }
  return parts.sort((a, b) => a.number - b.number);
}

/** A page of the objects that are blobs. */
export async function listObjects(client: S3Client, bucket: string, cursor?: string): Promise<StoredNames> {
  const page = await client.send(
    new ListObjectsV2Command({ Bucket: bucket, Prefix: BLOBS, ContinuationToken: cursor }),
  );
  const items = (page.Contents ?? []).flatMap(({ Key, LastModified }) => named(Key, LastModified));
  const next = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  return { items, ...(next !== undefined && { next }) };
}

const markers = z.object({ key: z.string(), upload: z.string().optional() });

/** A page of the multipart uploads that wait for parts, each key once. */
export async function listUploads(client: S3Client, bucket: string, cursor?: string): Promise<StoredNames> {
  const from = cursor === undefined ? undefined : markers.parse(JSON.parse(cursor));
  const page = await client.send(
    new ListMultipartUploadsCommand({
      Bucket: bucket,
      Prefix: BLOBS,
      KeyMarker: from?.key,
      UploadIdMarker: from?.upload,
    }),
  );
  const newest = new Map<string, StoredName>();
  for (const item of (page.Uploads ?? []).flatMap(({ Key, Initiated }) => named(Key, Initiated))) {
    const known = newest.get(item.name);
    if (known === undefined || known.writtenAt < item.writtenAt) newest.set(item.name, item);
  }
  const next =
    page.IsTruncated === true && page.NextKeyMarker !== undefined
      ? JSON.stringify({ key: page.NextKeyMarker, upload: page.NextUploadIdMarker })
      : undefined;
  return { items: [...newest.values()], ...(next !== undefined && { next }) };
}

/** What S3 calls the multipart uploads of one object. */
export async function uploadsOf(
  client: S3Client,
  { Bucket, Key }: { Bucket: string; Key: string },
): Promise<string[]> {
  const handles: string[] = [];
  let [key, upload]: (string | undefined)[] = [];
  for (;;) {
    const page: ListMultipartUploadsCommandOutput = await client.send(
      new ListMultipartUploadsCommand({ Bucket, Prefix: Key, KeyMarker: key, UploadIdMarker: upload }),
    );
    for (const found of page.Uploads ?? [])
      if (found.Key === Key && found.UploadId !== undefined) handles.push(found.UploadId);
    if (page.IsTruncated !== true || page.NextKeyMarker === undefined) return handles;
    [key, upload] = [page.NextKeyMarker, page.NextUploadIdMarker];
  }
}

function named(object: string | undefined, at: Date | undefined): StoredName[] {
  const name = storageKeyOf(object);
  return name === undefined || at === undefined ? [] : [{ name, writtenAt: at }];
}
