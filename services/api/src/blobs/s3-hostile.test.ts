import { randomBytes, randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { S3Double, type S3Fault, type S3Operation } from "../testing/s3-double.ts";
import { beginUpload, sendPart, storeBytes } from "../testing/store-parts.ts";
import type { BlobStore } from "./blob-store.ts";
import { blobStoreContract } from "./blob-store-contract.ts";
import { addressContract } from "./part-address-contract.ts";
import { readWhole } from "./pieces.ts";
import { connectS3, type S3Connection, type S3Settings } from "./s3-client.ts";
import { s3Store } from "./s3-store.ts";

/** What may go wrong with the first request of each kind about an object, and be none the second time. */
const ONCE: Partial<Record<S3Operation, readonly S3Fault[]>> = {
  CreateMultipartUpload: ["lost-answer", "error-before", "error-after"],
  UploadPart: ["lost-answer", "error-before", "error-after"],
  ListParts: ["lost-answer", "error-before"],
  CompleteMultipartUpload: ["lost-answer", "error-before", "error-after", "silence"],
  AbortMultipartUpload: ["lost-answer", "error-before", "error-after"],
  PutObject: ["lost-answer", "error-before", "error-after"],
  GetObject: ["truncate", "another", "lost-answer", "error-before"],
  HeadObject: ["lost-answer", "error-before"],
  DeleteObject: ["lost-answer", "error-before", "error-after"],
  ListObjects: ["lost-answer", "error-before"],
  ListUploads: ["lost-answer", "error-before"],
};

blobStoreContract("a server that goes wrong the first time that it is asked for anything", async () => {
  const double = new S3Double();
  let turn = 0;
  double.fault = (operation, attempt) => {
    const faults = ONCE[operation];
    return attempt > 0 || faults === undefined ? "none" : faults[turn++ % faults.length]!;
  };
  double.listsLate = 300;
  const connection = connectS3({ ...(await double.start()), answerWithin: 500 });
  const close = async () => {
    connection.close();
    await double.stop();
  };
  return { store: s3Store(connection), close };
});

let double: S3Double;
let settings: S3Settings;
let connection: S3Connection;
let store: BlobStore;
beforeEach(async () => {
  double = new S3Double();
  settings = await double.start();
  connect({});
});
afterEach(async () => {
  vi.useRealTimers();
  connection.close();
  await double.stop();
});

function connect(options: Partial<S3Settings>): void {
  connection?.close();
  connection = connectS3({ ...settings, ...options });
  store = s3Store(connection);
}

const read = async (key: string, size: number) => readWhole(await store.read(key, size));

test("bytes that break off again and again are read to their end, each once", async () => {
  const bytes = randomBytes(1_000_000);
  const key = randomUUID();
  await storeBytes(store, key, bytes);
  double.fault = (operation, attempt) => (operation === "GetObject" && attempt < 6 ? "truncate" : "none");
  expect((await read(key, bytes.byteLength)).equals(bytes)).toBe(true);
  expect(double.requests.filter(({ operation }) => operation === "GetObject")).toHaveLength(7);
});

test("a server that always answers about another object is broken, and no byte of that one is given out", async () => {
  const key = randomUUID();
  await storeBytes(store, randomUUID(), Buffer.from("another"));
  await storeBytes(store, key, Buffer.from("my own!"));
  double.fault = (operation) => (operation === "GetObject" ? "another" : "none");
  await expect(store.read(key, 7)).rejects.toMatchObject({
    code: "store-unavailable",
    message: expect.stringContaining(key),
  });
});

test("a server that is down, one that has no room, and one that knows no such key are told apart", async () => {
  const key = randomUUID();
  const said = async (fault: S3Fault) => {
    double.fault = () => fault;
    return store.delete(key).then(
      () => "nothing",
      (error: unknown) => (error instanceof Error ? error.message : error),
    );
  };
  expect(await said({ status: 503, code: "SlowDown" })).toContain("can't be reached");
  expect(await said({ status: 507, code: "InsufficientStorage" })).toContain("is full");
  expect(await said({ status: 500, code: "NoSpaceLeft" })).toContain("is full");
  expect(await said({ status: 403, code: "InvalidAccessKeyId" })).toContain("does not accept the hub");
  expect(await said({ status: 404, code: "NoSuchKey" })).toBe("nothing");
});

test("every error of a server that is down may be tried again, and says when", async () => {
  await double.stop();
  const upload = { key: randomUUID(), handle: "handle" };
  const calls = [
    () => store.read(upload.key, 1),
    () => store.delete(upload.key),
    () => store.list("blobs"),
    () => store.list("uploads"),
    () => store.received(upload, [{ number: 1, size: 1 }]),
    () => store.assemble(upload, [{ number: 1, size: 1 }]),
    () => store.discardUpload(upload.key),
    () => store.check(),
    () => beginUpload(store),
  ];
  for (const call of calls)
    await expect(call()).rejects.toMatchObject({ code: "store-unavailable", status: 503, retryAfter: 5 });
  await double.start();
}, 60_000);

test("an upload whose parts are taken away one by one, for they are joined, is not incomplete", async () => {
  double.keepsEmptied = true;
  const bytes = randomBytes(100);
  const upload = await beginUpload(store);
  const parts = [{ number: 1, size: 100 }];
  await sendPart(store, upload, parts[0]!, bytes);
  await store.assemble(upload, parts);
  expect(double.uploads.size).toBe(1);
  expect(await store.received(upload, parts)).toBe("assembled");
  await store.assemble(upload, parts);
  expect((await readWhole(await store.read(upload.key, 100))).equals(bytes)).toBe(true);
  // Others are as incomplete as before.
  const other = await beginUpload(store);
  expect(await store.received(other, parts)).toEqual([]);
  await expect(store.assemble(other, parts)).rejects.toMatchObject({
    code: "upload-incomplete",
    message: expect.stringContaining("1"),
  });
});

test("an address is good for its part of its upload only, and for its time", async () => {
  connect({ partUrlLife: 1 });
  await addressContract(store, async () => {
    double.clockAhead = 2_000;
  });
});

test.each([3_600_000, -3_600_000])("clocks that are %d ms apart hinder nothing", async (ahead) => {
  double.clockAhead = ahead;
  const key = randomUUID();
  // The first call of all is refused, and tells how far the clocks are apart.
  await storeBytes(store, key, Buffer.from("in time"));
  const upload = await beginUpload(store);
  await sendPart(store, upload, { number: 1, size: 4 }, Buffer.from("part"));
  expect((await read(key, 7)).toString()).toBe("in time");
});

test("a list that leaves out what was written just now, or has what was deleted, is right a while later", async () => {
  double.listsLate = 400;
  const key = randomUUID();
  await storeBytes(store, key, Buffer.from("late"));
  expect((await store.list("blobs")).items).toEqual([]);
  await vi.waitFor(
    async () => expect((await store.list("blobs")).items).toMatchObject([{ name: key }]),
    5_000,
  );
  await store.delete(key);
  expect((await store.list("blobs")).items).toMatchObject([{ name: key }]);
  await vi.waitFor(async () => expect((await store.list("blobs")).items).toEqual([]), 5_000);
});
