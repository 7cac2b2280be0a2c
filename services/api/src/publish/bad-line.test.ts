import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Hub, type PublishEvent } from "@modulehub/client";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { connectS3, type S3Connection } from "../blobs/s3-client.ts";
import { s3Store } from "../blobs/s3-store.ts";
import { S3Double } from "../testing/s3-double.ts";
import { digestOf, MANIFEST, startTestHub, type TestHub } from "../testing/test-hub.ts";

/** The client publishes over a line to the store that breaks, and what crosses it is counted. */

const MIB = 1_048_576;
const PART = 5 * MIB;
/** Parts on their way at once, at most. */
const AT_ONCE = 4;
let double: S3Double;
let connection: S3Connection;
let hub: TestHub;
let folder: string;
beforeAll(async () => {
  double = new S3Double();
  connection = connectS3({ ...(await double.start()), partUrlLife: 120 });
  hub = await startTestHub({ store: s3Store(connection), partSize: PART });
  folder = await mkdtemp(join(tmpdir(), "modulehub-bad-line-"));
  await writeFile(join(folder, "module.json"), MANIFEST);
}, 60_000);
afterAll(async () => {
  await hub.close();
  connection.close();
  await double.stop();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  double.fault = () => "none";
  double.clockAhead = 0;
  double.requests.length = 0;
});

async function publishGraph(bytes: Uint8Array, signal?: AbortSignal): Promise<PublishEvent | undefined> {
  await writeFile(join(folder, "model.onnx"), bytes);
  let last: PublishEvent | undefined;
  const client = new Hub({ url: hub.url, token: hub.admin.authorization.replace("Bearer ", "") });
  const options = { createPublisher: true, ...(signal && { signal }) };
  for await (const event of client.publish(folder, "acme/bad-line", options)) last = event;
  return last;
}

/** Bytes of the graph that have come to the store, over all attempts. */
const numberOfBytes = (): number =>
  double.requests
    .filter(({ operation, bytes }) => operation === "UploadPart" && bytes > MANIFEST.length)
    .reduce((sum, { bytes }) => sum + bytes, 0);

/** Bytes that were sent to the store beyond those of the file. */
const twice = (size: number): number => numberOfBytes() - size;

const numberOfSends = () => double.requests.filter(({ operation }) => operation === "UploadPart").length;

test("on a good line every byte is sent once, several parts at a time", async () => {
  const bytes = randomBytes(60 * MIB);
  let [now, most] = [0, 0];
  const server = double;
  server.fault = (operation) => {
    if (operation === "UploadPart") {
      now += 1;
      most = Math.max(most, now);
      setTimeout(() => {
        now -= 1;
      }, 50);
    }
    return "none";
  };
  expect(await publishGraph(bytes)).toMatchObject({ kind: "published" });
  expect(twice(bytes.byteLength)).toBe(0);
  expect(most).toBeGreaterThan(1);
  expect(
    [...double.objects.values()].map(({ bytes: stored }) => ("kept" in stored ? digestOf(stored.kept) : "")),
  ).toContain(digestOf(bytes));
});

test("a connection that breaks in the middle of a part costs no more than that part", async () => {
  const bytes = randomBytes(40 * MIB);
  let broken = false;
  double.fault = (operation, _, key) => {
    if (operation !== "UploadPart" || broken || !key.startsWith("blobs/") || numberOfSends() < 4)
      return "none";
    broken = true;
    return { breaksAfter: PART / 2 };
  };
  expect(await publishGraph(bytes)).toMatchObject({ kind: "published" });
  expect(broken).toBe(true);
  expect(twice(bytes.byteLength)).toBeGreaterThan(0);
  expect(twice(bytes.byteLength)).toBeLessThanOrEqual(PART);
});

/** Calls back each time that so many bytes of parts have come to the store. */
function eachTime(bytes: number, then: () => void): () => void {
  let next = numberOfBytes() + bytes;
  const watch = setInterval(() => {
    if (numberOfBytes() < next) return;
    next = numberOfBytes() + bytes;
    then();
  }, 1);
  return () => clearInterval(watch);
}

test("a line that breaks again and again costs several parts once, and then one each time", async () => {
  const bytes = randomBytes(160 * MIB);
  let breaks = 0;
  const stop = eachTime(7.5 * PART, () => {
    breaks += 1;
    double.cut();
  });
  expect(await publishGraph(bytes)).toMatchObject({ kind: "published" });
  stop();
  expect(breaks).toBeGreaterThan(2);
  expect(twice(bytes.byteLength)).toBeGreaterThan(0);
  expect(twice(bytes.byteLength)).toBeLessThanOrEqual((AT_ONCE + breaks - 1) * PART);
});

test("an upload that was broken off goes on with one part at a time, and sends only what is missing", async () => {
  const bytes = randomBytes(60 * MIB);
  const broken = new AbortController();
  const first = eachTime(25 * MIB, () => broken.abort(new Error("broken off")));
  await expect(publishGraph(bytes, broken.signal)).rejects.toThrow("broken off");
  first();
  const [upload] = [...double.uploads.values()].filter(({ parts }) => parts.size > 1);
  const lost = numberOfBytes() - upload!.parts.size * PART;
  expect(lost).toBeLessThanOrEqual(AT_ONCE * PART);
  let breaks = 0;
  const second = eachTime(3.5 * PART, () => {
    breaks += 1;
    double.cut();
  });
  expect(await publishGraph(bytes)).toMatchObject({ kind: "published" });
  second();
  expect(breaks).toBeGreaterThan(0);
  expect(twice(bytes.byteLength) - lost).toBeLessThanOrEqual(breaks * PART);
});

test("a part whose answer is lost has arrived, and is not sent again", async () => {
  const bytes = randomBytes(20 * MIB);
  double.fault = (operation, attempt) =>
    operation === "UploadPart" && attempt === 0 && numberOfSends() % 2 === 0 ? "lost-answer" : "none";
  expect(await publishGraph(bytes)).toMatchObject({ kind: "published" });
  expect(twice(bytes.byteLength)).toBe(0);
});

test("a line that breaks every part once, and a store that fails between, still brings all over", async () => {
  const bytes = randomBytes(30 * MIB);
  double.fault = (operation, attempt) => {
    if (operation !== "UploadPart") return "none";
    if (attempt === 0) return { breaksAfter: 65_536 };
    return attempt === 1 ? { status: 503, code: "SlowDown" } : "none";
  };
  expect(await publishGraph(bytes)).toMatchObject({ kind: "published" });
});

test("an address that has run out is asked for again", async () => {
  const bytes = randomBytes(20 * MIB);
  double.fault = (operation) => {
    // Its time is over for the server, once.
    if (operation === "UploadPart" && numberOfSends() === 2) double.clockAhead = 130_000;
    else if (operation !== "UploadPart") double.clockAhead = 0;
    return "none";
  };
  expect(await publishGraph(bytes)).toMatchObject({ kind: "published" });
});
