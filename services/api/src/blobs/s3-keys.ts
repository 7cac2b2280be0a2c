import { isStorageKey, storageKey } from "./storage-key.ts";

/**
 * Everything that the S3 store keeps in its bucket, and the only place where its objects are named.
 *
 *     <bucket>/
 *       blobs/
 *         <storage key>     bytes of a blob, complete; with the metadata `storage-key`, the key itself
 *
 * Uploads that have begun are multipart uploads of the same objects; S3 keeps their parts apart.
 */
export const BLOBS = "blobs/";

/** The metadata by which an object says which it is: an answer with another's bytes is noticed. */
export const KEY_METADATA = "storage-key";

/** The object of a storage key. */
export const objectOf = (key: string): string => BLOBS + storageKey(key);

/** The storage key of an object; undefined for what others put into the bucket. */
export function storageKeyOf(object: string | undefined): string | undefined {
  const key = object?.startsWith(BLOBS) ? object.slice(BLOBS.length) : "";
  return isStorageKey(key) ? key : undefined;
}
