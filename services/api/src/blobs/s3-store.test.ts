import { setTimeout as sleep } from "node:timers/promises";
import { test } from "vitest";
import { isBuilt, S3_SERVERS, startS3 } from "../testing/s3-servers.ts";
import { blobStoreContract } from "./blob-store-contract.ts";
import { addressContract } from "./part-address-contract.ts";
import { connectS3 } from "./s3-client.ts";
import { createBucket, s3Store } from "./s3-store.ts";

for (const name of S3_SERVERS) {
  if (isBuilt(name)) {
    test(`${name}: an address is good for its part of its upload only, and for its time`, async () => {
      const server = await startS3(name);
      const connection = connectS3({ ...server.settings, partUrlLife: 2 });
      try {
        await createBucket(connection);
        await addressContract(s3Store(connection), () => sleep(3_500));
      } finally {
        connection.close();
        await server.stop();
      }
    }, 60_000);
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
  } else {
    console.warn(`${name} is not built here: node scripts/build-s3-servers.ts`);
    test.skip(`blob store: ${name} is not built here: node scripts/build-s3-servers.ts`, () => undefined);
  }
}
