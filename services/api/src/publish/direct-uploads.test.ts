import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { connectS3, type S3Connection } from "../blobs/s3-client.ts";
import { s3Store } from "../blobs/s3-store.ts";
import { S3Double, type S3Operation } from "../testing/s3-double.ts";
import {
  ask,
  completeUpload,
  digestOf,
  MANIFEST,
  publish,
  sendParts,
  startTestHub,
  type TestHub,
  type UploadBody,
  uploadBytes,
} from "../testing/test-hub.ts";
import { completeUpload as completeRow, verifyUpload } from "./complete-upload.ts";
import { expireUploads } from "./expiry.ts";
import { partsOf, partUrls, readUpload } from "./uploads.ts";

/** Uploads whose parts go to an S3 store, past the hub. */

const MIB = 1_048_576;
let double: S3Double;
let connection: S3Connection;
let hub: TestHub;
beforeAll(async () => {
  double = new S3Double();
  connection = connectS3({ ...(await double.start()), answerWithin: 1_000 });
  hub = await startTestHub({ store: s3Store(connection) });
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
}, 60_000);
afterAll(async () => {
  await hub.close();
  connection.close();
  await double.stop();
});
beforeEach(() => {
  double.fault = () => "none";
  double.requests.length = 0;
});

const open = async (bytes: Uint8Array) => {
  const body = { publisher: "acme", size: bytes.byteLength, digest: digestOf(bytes) };
  return (await ask<UploadBody>(hub, "POST", "/v1/uploads", body)).body;
};
const look = async (id: string) => (await ask<UploadBody>(hub, "GET", `/v1/uploads/${id}`)).body;
const deps = () => ({ ...hub.deps, log: hub.app.log });
const asked = (operation: S3Operation) =>
  double.requests.filter((request) => request.operation === operation);
const objects = () => [...double.objects.keys()];
/** A server that is down, for some of what it does. */
const down = (...operations: S3Operation[]) => {
  double.fault = (operation) => (operations.includes(operation) ? { status: 503, code: "SlowDown" } : "none");
};

test("bytes go to the store, are read once by a job, and come back whole and in ranges", async () => {
  const bytes = randomBytes(12 * MIB);
  const upload = await open(bytes);
  expect(upload.parts.map(({ n }) => n)).toEqual([1, 2]);
  for (const { url } of upload.parts) expect(new URL(url).origin).not.toBe(hub.url);
  await sendParts(hub, upload, bytes);
  expect(await look(upload.id)).toMatchObject({ state: "open", received: [1, 2], parts: [] });
  const first = await ask(hub, "POST", `/v1/uploads/${upload.id}/complete`, { digest: digestOf(bytes) });
  expect(first).toMatchObject({ status: 202, body: { state: "verifying" } });
  expect(await completeUpload(hub, upload.id, digestOf(bytes))).toMatchObject({ body: { state: "stored" } });
  expect(asked("GetObject")).toHaveLength(1);
  // The hub itself took no part.
  const own = await ask(hub, "PUT", `/v1/uploads/${(await open(randomBytes(9))).id}/parts/1`, randomBytes(9));
  expect(own).toMatchObject({ status: 409, body: { code: "upload-state" } });

  const files = { "module.json": MANIFEST, "model.onnx": bytes.toString("latin1") };
  const text = Buffer.from(files["model.onnx"]);
  await uploadBytes(hub, "acme", text);
  expect(await publish(hub, "acme/direct", files)).toMatchObject({ state: "published", version: 1 });
  const path = "/v1/modules/acme/direct/versions/1/files/model.onnx";
  const whole = await fetch(hub.url + path, { headers: hub.admin });
  expect(digestOf(new Uint8Array(await whole.arrayBuffer()))).toBe(digestOf(text));
  const range = await fetch(hub.url + path, { headers: { ...hub.admin, range: "bytes=1000000-1000009" } });
  expect(range.status).toBe(206);
  expect(Buffer.from(await range.arrayBuffer()).equals(text.subarray(1_000_000, 1_000_010))).toBe(true);
});

test("an upload without bytes needs no part", async () => {
  const upload = await open(Buffer.alloc(0));
  expect(upload.parts).toEqual([]);
  expect(await completeUpload(hub, upload.id, digestOf(""))).toMatchObject({ body: { state: "stored" } });
});

test.each([4, 12 * MIB])(
  "%d bytes that are not what was promised fail the upload, and none stays",
  async (size) => {
    const before = objects();
    const [promised, sent] = [randomBytes(size), randomBytes(size)];
    const upload = await open(promised);
    await sendParts(hub, upload, sent);
    await completeUpload(hub, upload.id, digestOf(promised));
    expect(await look(upload.id)).toMatchObject({ state: "failed", problem: { code: "digest-mismatch" } });
    expect(objects()).toEqual(before);
    expect([...double.uploads.values()].filter(({ key }) => key.includes(upload.id))).toEqual([]);
  },
);

test("bytes that are stored already are kept once", async () => {
  const bytes = randomBytes(9 * MIB);
  await uploadBytes(hub, "acme", bytes);
  const before = objects();
  await uploadBytes(hub, "acme", bytes);
  expect(objects()).toEqual(before);
});

test("a store that is down while parts are asked for is told as such, and the upload goes on afterwards", async () => {
  const bytes = randomBytes(9 * MIB);
  down("CreateMultipartUpload", "ListParts");
  const refused = await ask(hub, "POST", "/v1/uploads", { publisher: "acme", size: bytes.byteLength });
  expect(refused).toMatchObject({ status: 503, body: { code: "store-unavailable" } });
  expect(refused.headers.get("retry-after")).toBe("5");
  double.fault = () => "none";
  await uploadBytes(hub, "acme", bytes);
});

test("a store that is down while it is verified costs nothing that arrived", async () => {
  const bytes = randomBytes(12 * MIB);
  const upload = await open(bytes);
  await sendParts(hub, upload, bytes);
  down("CompleteMultipartUpload", "GetObject");
  const gaveUp = await completeUpload(hub, upload.id, digestOf(bytes));
  expect(gaveUp.body).toMatchObject({
    state: "open",
    received: [1, 2],
    parts: [],
    problem: { code: "store-unavailable" },
  });
  double.fault = () => "none";
  expect(await completeUpload(hub, upload.id, digestOf(bytes))).toMatchObject({ body: { state: "stored" } });
  expect(asked("UploadPart")).toHaveLength(2);
});

test("bytes that are read wrongly once are the store's fault, not the publisher's", async () => {
  const bytes = randomBytes(12 * MIB);
  const upload = await open(bytes);
  await sendParts(hub, upload, bytes);
  double.fault = (operation, attempt) => (operation === "GetObject" && attempt === 0 ? "wrong-byte" : "none");
  expect(await completeUpload(hub, upload.id, digestOf(bytes))).toMatchObject({ body: { state: "stored" } });
});

test("a completion whose answers are all lost is success when it is asked for again", async () => {
  const bytes = randomBytes(100);
  const upload = await open(bytes);
  await sendParts(hub, upload, bytes);
  double.fault = (operation, attempt) =>
    operation === "CompleteMultipartUpload" && attempt === 0 ? "lost-answer" : "none";
  const answers = await Promise.all([1, 2, 3].map(() => completeUpload(hub, upload.id, digestOf(bytes))));
  for (const answer of answers) expect(answer).toMatchObject({ status: 200, body: { state: "stored" } });
  expect(objects().filter((key) => key.includes(upload.id))).toHaveLength(1);
});

test("an upload that is cancelled while it is verified leaves nothing", async () => {
  const bytes = randomBytes(12 * MIB);
  const upload = await open(bytes);
  await sendParts(hub, upload, bytes);
  let reading: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    reading = resolve;
  });
  double.fault = (operation) => {
    if (operation === "GetObject") reading();
    return "none";
  };
  await ask(hub, "POST", `/v1/uploads/${upload.id}/complete`, { digest: digestOf(bytes) });
  await begun;
  await ask(hub, "DELETE", `/v1/uploads/${upload.id}`);
  expect(await look(upload.id)).toMatchObject({ state: "cancelled" });
  await expect
    .poll(() => objects().filter((key) => key.includes(upload.id)), { timeout: 10_000 })
    .toEqual([]);
});

test("an upload that ends while it is looked at is told of as it ended", async () => {
  const upload = await open(randomBytes(9 * MIB));
  let cancelled: Promise<unknown> = Promise.resolve();
  double.fault = (operation, attempt) => {
    if (operation !== "ListParts" || attempt > 0) return "none";
    const { prisma } = hub.deps.database;
    // What Prisma gives begins when it is awaited.
    cancelled = Promise.resolve(
      prisma.upload.update({ where: { id: upload.id }, data: { state: "cancelled" } }),
    );
    return { status: 503, code: "SlowDown" };
  };
  const seen = await ask(hub, "GET", `/v1/uploads/${upload.id}`);
  await cancelled;
  expect(asked("ListParts").length).toBeGreaterThan(1);
  expect(seen).toMatchObject({ status: 200, body: { state: "cancelled", parts: [], received: [] } });
});

test("an upload that nobody goes on with is aborted at the store", async () => {
  const upload = await open(randomBytes(9 * MIB));
  const waiting = () => [...double.uploads.values()].filter(({ key }) => key.includes(upload.id));
  expect(waiting()).toHaveLength(1);
  await expireUploads(deps(), new Date(Date.now() + 3 * 24 * 3_600_000));
  expect(waiting()).toEqual([]);
});

test("what a store can't take away, its disk being full, keeps no upload from ending as it does", async () => {
  const [bytes, others] = [randomBytes(100), randomBytes(100)];
  const uploads = [await open(bytes), await open(others), await open(randomBytes(100))] as const;
  for (const upload of uploads) await sendParts(hub, upload, bytes);
  down("ListUploads", "AbortMultipartUpload", "DeleteObject");
  const [kept, wrong, unwanted] = uploads;
  const known = hub.log.length;
  expect(await completeUpload(hub, kept.id, digestOf(bytes))).toMatchObject({ body: { state: "stored" } });
  await uploadBytes(hub, "acme", bytes);
  const mismatch = await completeUpload(hub, wrong.id, digestOf(others));
  expect(mismatch).toMatchObject({ status: 422, body: { code: "digest-mismatch" } });
  expect(await look(wrong.id)).toMatchObject({ state: "failed", problem: { code: "digest-mismatch" } });
  const cancelled = await ask(hub, "DELETE", `/v1/uploads/${unwanted.id}`);
  expect(cancelled).toMatchObject({ status: 200, body: { state: "cancelled" } });
  const warned = hub.log.slice(known).filter((line) => line.includes('"level":40'));
  for (const { id } of uploads) expect(warned.join()).toContain(id);
});

test("a store that has lost a file is an error that names it, and the others are served", async () => {
  const files = { "module.json": MANIFEST, "model.onnx": "lost graph", "README.md": "# kept" };
  expect(await publish(hub, "acme/lossy", files)).toMatchObject({ state: "published" });
  const blob = await hub.deps.database.prisma.blob.findFirstOrThrow({
    where: { digest: digestOf("lost graph"), state: "stored" },
  });
  double.objects.delete(`blobs/${blob.storageKey}`);
  const file = (name: string) => ask(hub, "GET", `/v1/modules/acme/lossy/versions/1/files/${name}`);
  expect(await file("model.onnx")).toMatchObject({
    status: 503,
    body: { code: "store-unavailable", detail: expect.stringContaining(blob.storageKey) },
  });
  const readme = await fetch(`${hub.url}/v1/modules/acme/lossy/versions/1/files/README.md`, {
    headers: hub.admin,
  });
  expect(await readme.text()).toBe("# kept");
});

test("an upload that its store has lost, killed while it joined it, fails, and the same bytes are sent by another", async () => {
  const bytes = randomBytes(6 * MIB);
  const first = await open(bytes);
  await sendParts(hub, first, bytes);
  await hub.deps.store.discardUpload(first.id);
  const again = await open(bytes);
  expect(again.id).not.toBe(first.id);
  expect(await look(first.id)).toMatchObject({ state: "failed", problem: { code: "store-unavailable" } });
  await sendParts(hub, again, bytes);
  expect(await completeUpload(hub, again.id, digestOf(bytes))).toMatchObject({ body: { state: "stored" } });

  const other = await open(randomBytes(6 * MIB));
  await hub.deps.store.discardUpload(other.id);
  expect(await look(other.id)).toMatchObject({ state: "failed", parts: [], received: [] });
});

/** Requests that read an upload's row, and act on it after another request has changed it. */
const rowOf = (id: string) => readUpload(hub.deps.database.prisma, id);
const beginVerifying = (id: string, bytes: Uint8Array) =>
  hub.deps.database.prisma.upload.update({
    where: { id },
    data: { state: "verifying", digest: digestOf(bytes) },
  });
const jobs = {
  sendVerification: () => Promise.reject(new Error("Nothing is left to verify.")),
};

test("whoever asks where to send parts, while another completes the upload, takes nothing from it", async () => {
  const bytes = randomBytes(12 * MIB);
  const { id, ...upload } = await open(bytes);
  await sendParts(hub, { id, ...upload }, bytes);
  const stale = await rowOf(id);
  await beginVerifying(id, bytes);
  const asked = () => partUrls(deps(), stale, partsOf(stale));
  await expect(asked()).rejects.toMatchObject({ code: "upload-state" });
  await verifyUpload(deps(), { upload: id, signal: new AbortController().signal, last: true });
  expect(await look(id)).toMatchObject({ state: "stored" });

  // Of one that was cancelled meanwhile, what came too late is taken away.
  const other = await open(randomBytes(12 * MIB));
  const cancelled = await rowOf(other.id);
  await ask(hub, "DELETE", `/v1/uploads/${other.id}`);
  const late = { ...cancelled, storeHandle: null };
  await expect(partUrls(deps(), late, partsOf(late))).rejects.toMatchObject({ code: "upload-state" });
  expect([...double.uploads.values()].filter(({ key }) => key.includes(other.id))).toEqual([]);
});

test("whoever completes an upload beside another succeeds with it, also when the store has its parts no more", async () => {
  const bytes = randomBytes(6 * MIB);
  await uploadBytes(hub, "acme", bytes);
  // The same bytes again: they are not kept a second time, so that nothing is left of the upload at the store.
  const again = await open(bytes);
  await sendParts(hub, again, bytes);
  const stale = await rowOf(again.id);
  expect(await completeUpload(hub, again.id, digestOf(bytes))).toMatchObject({ body: { state: "stored" } });
  await completeRow({ ...deps(), jobs }, stale, digestOf(bytes));

  const large = randomBytes(12 * MIB);
  const upload = await open(large);
  await sendParts(hub, upload, large);
  const before = await rowOf(upload.id);
  const { store } = hub.deps;
  await store.discardUpload(upload.id);
  // The other completes it at the last moment, so that the hub has not yet found that no job verifies it.
  let asked = 0;
  const knows = async () => {
    asked += 1;
    if (asked === 2) await beginVerifying(upload.id, large);
    return false;
  };
  const losing = { ...store, parts: { ...store.parts, knows } as typeof store.parts };
  await completeRow({ ...deps(), store: losing, jobs }, before, digestOf(large));
  expect(asked).toBe(2);
  expect(await look(upload.id)).toMatchObject({ state: "verifying" });
});
