import { test } from "vitest";
import { isBuilt, S3_SERVERS, startS3 } from "../testing/s3-servers.ts";
import { blobStoreContract } from "./blob-store-contract.ts";
import { connectS3 } from "./s3-client.ts";
import { createBucket, s3Store } from "./s3-store.ts";

for (const name of S3_SERVERS) {
  if (isBuilt(name))
    blobStoreContract(name, async () => {
      const server = await startS3(name);
      const connection = connectS3(server.settings);
      await createBucket(connection);
      const close = async () => {
        connection.close();
        await server.stop();
      };
      return { store: s3Store(connection), close };
    });
  else {
    console.warn(`${name} is not built here: node scripts/build-s3-servers.ts`);
    test.skip(`blob store: ${name} is not built here: node scripts/build-s3-servers.ts`, () => undefined);
  }
}
