import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rawRequest } from "../testing/raw-request.ts";
import {
  ask,
  completeUpload,
  type DraftBody,
  digestOf,
  listOf,
  moduleFiles,
  startTestHub,
  type TestHub,
  type UploadBody,
  uploadBytes,
} from "../testing/test-hub.ts";
import { expireUploads } from "./expiry.ts";
import { partSizeFor } from "./uploads.ts";

const MIB = 1_048_576;
let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
}, 60_000);
afterAll(() => hub.close());

const open = async (size: number, digest?: string) =>
  (await ask<UploadBody>(hub, "POST", "/v1/uploads", { publisher: "acme", size, digest })).body;
const put = (id: string, n: number, bytes: Uint8Array) =>
  ask(hub, "PUT", `/v1/uploads/${id}/parts/${n}`, bytes);
const complete = (id: string, digest: string) => ask(hub, "POST", `/v1/uploads/${id}/complete`, { digest });
const blobFiles = async () =>
  (await readdir(join(hub.data, "blobs"), { recursive: true })).filter((p) => /\/|\\/.test(p));

test("parts may come in any order and twice, and make one blob", async () => {
  const bytes = randomBytes(20 * MIB);
  const upload = await open(bytes.byteLength);
  expect(upload).toMatchObject({ state: "open", partSize: 8 * MIB });
  expect(upload.parts.map(({ n }) => n)).toEqual([1, 2, 3]);
  const part = (n: number) => bytes.subarray((n - 1) * upload.partSize, n * upload.partSize);
  await put(upload.id, 3, part(3));
  await put(upload.id, 1, randomBytes(upload.partSize));
  await put(upload.id, 1, part(1));
  const early = await complete(upload.id, digestOf(bytes));
  expect(early).toMatchObject({ status: 409, body: { code: "upload-incomplete" } });
  expect((await ask(hub, "GET", `/v1/uploads/${upload.id}`)).body).toMatchObject({ received: [1, 3] });
  await put(upload.id, 2, part(2));
  // More bytes than are read while a request waits.
  expect(await complete(upload.id, digestOf(bytes))).toMatchObject({
    status: 202,
    body: { state: "verifying", parts: [] },
  });
  expect(await completeUpload(hub, upload.id, digestOf(bytes))).toMatchObject({ body: { state: "stored" } });
  expect(await complete(upload.id, digestOf(bytes))).toMatchObject({ status: 200 });
  const blob = await fetch(`${hub.url}/internal/blobs/${digestOf(bytes)}`, { headers: hub.workerToken });
  expect(Buffer.from(await blob.arrayBuffer()).equals(bytes)).toBe(true);
  expect(await readdir(join(hub.data, "uploads"))).toEqual([]);
});

test("bytes that have another digest are refused, and nothing of them stays", async () => {
  const before = await blobFiles();
  const upload = await open(5);
  await put(upload.id, 1, Buffer.from("wrong"));
  const answer = await complete(upload.id, digestOf("right"));
  expect(answer).toMatchObject({ status: 422, body: { code: "digest-mismatch" } });
  expect(await blobFiles()).toEqual(before);
  expect(await readdir(join(hub.data, "uploads"))).toEqual([]);
  expect(await put(upload.id, 1, Buffer.from("right"))).toMatchObject({
    status: 409,
    body: { code: "upload-state" },
  });
});

test("a part of another length is refused, announced or not, and is not counted as received", async () => {
  const upload = await open(5);
  expect(await put(upload.id, 1, Buffer.from("four"))).toMatchObject({
    status: 422,
    body: { code: "size-mismatch" },
  });
  const path = `PUT /v1/uploads/${upload.id}/parts/1`;
  const headers = [`Authorization: ${hub.admin.authorization}`, "Transfer-Encoding: chunked"];
  for (const body of ["4\r\nfour\r\n0\r\n\r\n", "6\r\nsixsix\r\n0\r\n\r\n"]) {
    const answer = await rawRequest(hub.url, path, headers, body);
    expect(answer.status).toBe(422);
    expect(JSON.parse(answer.body)).toMatchObject({ code: "size-mismatch" });
  }
  expect((await ask(hub, "GET", `/v1/uploads/${upload.id}`)).body).toMatchObject({ received: [] });
  await ask(hub, "DELETE", `/v1/uploads/${upload.id}`);
  expect(await readdir(join(hub.data, "uploads"))).toEqual([]);
});

test("a part whose connection breaks can be sent again", async () => {
  const upload = await open(10);
  const { rejects } = expect(
    fetch(`${hub.url}/v1/uploads/${upload.id}/parts/1`, {
      method: "PUT",
      headers: hub.admin,
      body: new ReadableStream({
        start(controller) {
          controller.enqueue(Buffer.from("12345"));
          setTimeout(() => controller.error(new Error("gone")), 30);
        },
      }),
      duplex: "half",
    } as RequestInit),
  );
  await rejects.toThrow();
  expect((await ask(hub, "GET", `/v1/uploads/${upload.id}`)).body).toMatchObject({ received: [] });
  expect((await put(upload.id, 1, Buffer.from("1234567890"))).status).toBe(200);
  expect((await complete(upload.id, digestOf("1234567890"))).status).toBe(200);
});

test("there is no part 0 and none after the last, and an upload of no bytes has none", async () => {
  const upload = await open(5);
  for (const n of [0, 2]) expect((await put(upload.id, n, Buffer.from("right"))).status).toBe(400);
  const empty = await open(0);
  expect(empty.parts).toEqual([]);
  expect((await complete(empty.id, digestOf(""))).status).toBe(200);
});

test("two uploads of the same bytes that complete at once both succeed, and one blob is kept", async () => {
  const bytes = randomBytes(1000);
  const uploads = await Promise.all([open(1000), open(1000), open(1000)]);
  for (const { id } of uploads) await put(id, 1, bytes);
  const answers = await Promise.all(uploads.map(({ id }) => complete(id, digestOf(bytes))));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  const blobs = await hub.deps.database.prisma.blob.findMany({ where: { digest: digestOf(bytes) } });
  expect(blobs).toHaveLength(1);
  const files = await blobFiles();
  expect(files.filter((path) => path.endsWith(blobs[0]!.storageKey))).toHaveLength(1);
  expect(await hub.deps.database.prisma.blob.count()).toBe(files.length);
});

test("an upload that is completed several times at once succeeds each time", async () => {
  const bytes = randomBytes(3 * MIB);
  const upload = await open(bytes.byteLength);
  await put(upload.id, 1, bytes);
  const answers = await Promise.all([1, 2, 3, 4, 5].map(() => complete(upload.id, digestOf(bytes))));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  expect(await hub.deps.database.prisma.blob.count()).toBe((await blobFiles()).length);
});

test("opening an upload of the same bytes again continues the one that is open", async () => {
  const bytes = randomBytes(9 * MIB);
  const first = await open(bytes.byteLength, digestOf(bytes));
  await put(first.id, 1, bytes.subarray(0, first.partSize));
  const again = await open(bytes.byteLength, digestOf(bytes));
  expect(again).toMatchObject({ id: first.id, received: [1] });
  // Not without a digest, not of another size, not another publisher's, and not one that has ended.
  await ask(hub, "POST", "/v1/publishers", { id: "stranger" });
  const theirs = await ask<UploadBody>(hub, "POST", "/v1/uploads", {
    publisher: "stranger",
    size: bytes.byteLength,
    digest: digestOf(bytes),
  });
  for (const other of [await open(bytes.byteLength), await open(1, digestOf(bytes)), theirs.body])
    expect(other).toMatchObject({ received: [] });
  await put(first.id, 2, bytes.subarray(first.partSize));
  expect((await completeUpload(hub, first.id, digestOf(bytes))).body.state).toBe("stored");
  expect((await open(bytes.byteLength, digestOf(bytes))).id).not.toBe(first.id);
});

test("uploads whose time is up are cancelled, and their parts are gone", async () => {
  const upload = await open(5);
  await put(upload.id, 1, Buffer.from("12345"));
  await expireUploads({ ...hub.deps, log: hub.app.log });
  expect((await ask(hub, "GET", `/v1/uploads/${upload.id}`)).body).toMatchObject({ state: "open" });
  await expireUploads({ ...hub.deps, log: hub.app.log }, new Date(Date.now() + 3 * 24 * 3_600_000));
  expect((await ask(hub, "GET", `/v1/uploads/${upload.id}`)).body).toMatchObject({ state: "cancelled" });
  expect(await readdir(join(hub.data, "uploads"))).not.toContain(upload.id);
});

test("a part size is at least 8 MiB and at most a ten thousandth of the file, rounded up to MiB", () => {
  expect(partSizeFor(1)).toBe(8 * MIB);
  expect(partSizeFor(80_000 * MIB)).toBe(8 * MIB);
  expect(partSizeFor(80_001 * MIB)).toBe(9 * MIB);
});

// That the API holds none of it in memory is seen from outside, on a whole gigabyte: test/e2e/large-module.test.ts.
test("64 MiB are received in parts, and need not be sent again", async () => {
  const big = Buffer.alloc(64 * MIB, randomBytes(1 * MIB));
  await uploadBytes(hub, "acme", big);
  const files = moduleFiles("big");
  const list = listOf(files).map((file) =>
    file.path === "model.onnx" ? { ...file, size: big.byteLength, digest: digestOf(big) } : file,
  );
  const draft = await ask<DraftBody>(hub, "POST", "/v1/modules/acme/big/drafts", { files: list });
  expect(draft.body.missing).not.toContain(digestOf(big));
}, 30_000);
