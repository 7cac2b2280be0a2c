import { type Settings, s3Settings } from "../settings.ts";
import type { BlobStore } from "./blob-store.ts";
import { openFilesystemStore } from "./filesystem-store.ts";
import { connectS3 } from "./s3-client.ts";
import { createBucket, s3Store } from "./s3-store.ts";

/** How long until a bucket is looked at again whose server could not be reached, in milliseconds. */
const LOOK_AGAIN = 5_000;

/** The bucket, or the data folder. A server that can't be reached now is waited for: the hub is not ready meanwhile. */
export async function openStore(
  settings: Settings,
  data: string,
): Promise<{ store: BlobStore; close: () => void }> {
  const s3 = s3Settings(settings);
  if (s3 === undefined) return { store: await openFilesystemStore(data), close: () => undefined };
  const connection = connectS3(s3);
  const look = (): Promise<void> =>
    createBucket(connection).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      process.stderr.write(`The bucket ${s3.bucket} could not be looked at: ${reason}\n`);
      setTimeout(look, LOOK_AGAIN).unref();
    });
  await look();
  return { store: s3Store(connection), close: () => connection.close() };
}
