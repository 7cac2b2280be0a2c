import { S3ServiceException } from "@aws-sdk/client-s3";
import { ProblemError, problem, saysStoreFull } from "@modulehub/core";
import { AGAIN, STORE_FULL } from "./full-store.ts";

/** Whether S3 says that an object, or a bucket, is not there: not that it could not look. */
export const isMissing = (error: unknown): boolean =>
  error instanceof S3ServiceException &&
  (error.name === "NoSuchKey" || error.name === "NotFound" || error.name === "NoSuchBucket");

/** Whether S3 says that it has no such multipart upload: it was completed, or aborted, or never begun. */
export const isNoSuchUpload = (error: unknown): boolean =>
  error instanceof S3ServiceException && error.name === "NoSuchUpload";

/** Whether S3 says that parts are not as the request has them. */
export const isInvalidPart = (error: unknown): boolean =>
  error instanceof S3ServiceException && (error.name === "InvalidPart" || error.name === "EntityTooSmall");

/** What is thrown for bytes that a store was given and no longer has. */
export const lostBytes = (key: string, cause?: unknown): ProblemError =>
  problem("store-unavailable", `The blob store has lost the bytes of ${key}; restore them.`, { cause });

/** An error of S3, or of the way there, as the hub's; what is the hub's already stays what it is. */
export function storeError(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof S3ServiceException) {
    const status = error.$metadata.httpStatusCode;
    if (saysStoreFull(status, `${error.name} ${error.message}`))
      return problem("store-unavailable", STORE_FULL, { retryAfter: AGAIN, cause: error });
    if (status === 401 || status === 403)
      return problem("store-unavailable", `The blob store does not accept the hub (${error.name}).`, {
        retryAfter: AGAIN,
        cause: error,
      });
    // SeaweedFS says no more of a full disk, for one.
    if (status === 500)
      return problem(
        "store-unavailable",
        `The blob store answered ${status} (${error.name}); its log says why.`,
        {
          retryAfter: AGAIN,
          cause: error,
        },
      );
  }
  return problem("store-unavailable", undefined, { retryAfter: AGAIN, cause: error });
}

/** Does work at the store. Throws `store-unavailable`, and what is the hub's own. */
export async function atStore<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // A name that isn't the hub's is a bug.
    if (error instanceof TypeError && error.message.startsWith("not a name")) throw error;
    throw storeError(error);
  }
}
