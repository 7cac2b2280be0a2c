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

async function publishGraph(bytes: Uint8Array): Promise<PublishEvent | undefined> {
  await writeFile(join(folder, "model.onnx"), bytes);
  let last: PublishEvent | undefined;
  const client = new Hub({ url: hub.url, token: hub.admin.authorization.replace("Bearer ", "") });
  for await (const event of client.publish(folder, "acme/bad-line", { createPublisher: true })) last = event;
  return last;
}

/** Bytes that were sent to the store beyond those of the file. */
const twice = (size: number): number =>
  double.requests
    .filter(({ operation, bytes }) => operation === "UploadPart" && bytes > MANIFEST.length)
    .reduce((sum, { bytes }) => sum + bytes, 0) - size;

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
