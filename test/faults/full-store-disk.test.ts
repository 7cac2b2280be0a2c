import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Hub, type PublishEvent } from "@modulehub/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { collectGarbage } from "../../services/api/src/blobs/garbage-collection.ts";
import { connectS3, type S3Connection } from "../../services/api/src/blobs/s3-client.ts";
import { createBucket, s3Store } from "../../services/api/src/blobs/s3-store.ts";
import { isBuilt, S3_SERVERS, type S3Server, startS3 } from "../../services/api/src/testing/s3-servers.ts";
import { type SmallDisk, smallDisk } from "../../services/api/src/testing/small-disk.ts";
import { storeBytes } from "../../services/api/src/testing/store-parts.ts";
import {
  ask,
  completeUpload,
  digestOf,
  MANIFEST,
  moduleFiles,
  prepareDraft,
  publish,
  sendParts,
  startTestHub,
  type TestHub,
  type UploadBody,
} from "../../services/api/src/testing/test-hub.ts";

/** S3 servers whose disk is full: a small file system in memory, which takes root. */

const MIB = 1_048_576;
/** Versity's server says that it is full; SeaweedFS's that something went wrong inside it. */
const SAYS = {
  versitygw: "The blob store is full; make room, then try again.",
  weed: /^The blob store answered 500/,
};

for (const name of S3_SERVERS) {
  let disk: SmallDisk;
  let server: S3Server;
  let connection: S3Connection;
  let hub: TestHub;

  /** Why it can't be tried here. */
  const missing = (): string | undefined => {
    if (!isBuilt(name)) return "it is not built: node scripts/build-s3-servers.ts";
    const made = smallDisk(160);
    if (made === undefined) return "no file system can be mounted here";
    disk = made;
    return undefined;
  };
  const reason = missing();
  if (reason !== undefined) console.info(`${name} on a full disk is not tested: ${reason}.`);

  const open = async (bytes: Uint8Array) => {
    const body = { publisher: "acme", size: bytes.byteLength, digest: digestOf(bytes) };
    return (await ask<UploadBody>(hub, "POST", "/v1/uploads", body)).body;
  };
  const look = async (id: string) => (await ask<UploadBody>(hub, "GET", `/v1/uploads/${id}`)).body;
  const send = async (url: string, bytes: Uint8Array) => {
    const answer = await fetch(url, { method: "PUT", body: new Uint8Array(bytes) });
    await answer.arrayBuffer();
    return answer.status;
  };
  /** Takes the room, and again what a server still finds by clearing up, until it takes nothing more. */
  const fill = async () => {
    const bytes = randomBytes(2 * MIB);
    const probe = await open(bytes);
    const refuses = async () => {
      disk.fill();
      return (await send(probe.parts[0]!.url, bytes)) >= 500;
    };
    await expect.poll(refuses, { timeout: 30_000 }).toBe(true);
  };
  /** What an operator does: SeaweedFS's own database takes nothing more, once it could not write. */
  const makeRoom = async () => {
    disk.makeRoom();
    if (name !== "weed") return;
    await server.kill();
    await server.restart();
    const takes = () =>
      storeBytes(hub.deps.store, randomUUID(), Buffer.from("room")).then(
        () => true,
        () => false,
      );
    await expect.poll(takes, { timeout: 60_000, interval: 500 }).toBe(true);
  };
  const graphOf = async (module: string) => {
    const path = `/v1/modules/${module}/versions/1/files/model.onnx`;
    const answer = await fetch(hub.url + path, { headers: hub.admin });
    return digestOf(new Uint8Array(await answer.arrayBuffer()));
  };

  describe.runIf(reason === undefined)(`${name} on a full disk`, () => {
    beforeAll(async () => {
      server = await startS3(name, { folder: disk.folder });
      connection = connectS3(server.settings);
      await createBucket(connection);
      hub = await startTestHub({ store: s3Store(connection), partSize: 5 * MIB });
      await ask(hub, "POST", "/v1/publishers", { id: "acme" });
    }, 120_000);
    afterAll(async () => {
      await hub?.close();
      connection?.close();
      await server?.stop();
      disk?.remove();
    });

    test("bytes are refused, what was published is served, and the same uploads are completed when there is room", async () => {
      const graph = randomBytes(6 * MIB).toString("latin1");
      const files = { "module.json": MANIFEST, "model.onnx": graph };
      expect(await publish(hub, "acme/before", files)).toMatchObject({ state: "published", version: 1 });
      const begun = randomBytes(12 * MIB);
      const upload = await open(begun);
      for (const { n, url } of upload.parts.slice(0, 2))
        expect(await send(url, begun.subarray((n - 1) * 5 * MIB, n * 5 * MIB))).toBe(200);
      // One that is verified by a job, and one that is verified in the request.
      const whole = await Promise.all(
        [11 * MIB, 3 * MIB].map(async (size) => {
          const bytes = randomBytes(size);
          const { id, ...rest } = await open(bytes);
          await sendParts(hub, { id, ...rest }, bytes);
          return { id, digest: digestOf(bytes), size };
        }),
      );
      const waiting = await prepareDraft(hub, "acme/waiting", {
        "module.json": MANIFEST,
        "model.onnx": "a graph",
      });

      await fill();
      const last = upload.parts[2]!;
      expect(await send(last.url, begun.subarray(10 * MIB))).toBeGreaterThanOrEqual(500);
      expect(await look(upload.id)).toMatchObject({ state: "open", received: [1, 2] });
      const says: unknown = expect.stringMatching(SAYS[name]);
      for (const { id, digest } of whole) {
        const answer = await completeUpload(hub, id, digest);
        // Where joining takes no room it succeeds; where it takes some, nothing that has arrived is lost.
        if (answer.status === 200 && answer.body.state === "stored") continue;
        if (answer.status === 200)
          expect(answer.body).toMatchObject({ state: "open", problem: { detail: says } });
        else expect(answer).toMatchObject({ status: 503, body: { code: "store-unavailable", detail: says } });
        expect((await look(id)).state).toBe("open");
      }
      expect(await graphOf("acme/before")).toBe(digestOf(Buffer.from(graph)));
      expect((await ask(hub, "GET", "/v1/modules")).status).toBe(200);
      expect((await ask(hub, "GET", "/v1/modules/acme/waiting/versions/1")).status).toBe(404);
      // The draft whose bytes were there needs no more room.
      const asked = await ask(hub, "POST", `/v1/drafts/${waiting.body.id}/publish`);
      expect(asked.status).toBe(202);

      await makeRoom();
      expect(await send(last.url, begun.subarray(10 * MIB))).toBe(200);
      expect(await completeUpload(hub, upload.id, digestOf(begun))).toMatchObject({
        body: { state: "stored" },
      });
      for (const { id, digest } of whole)
        expect(await completeUpload(hub, id, digest)).toMatchObject({ body: { state: "stored" } });
      expect(await publish(hub, "acme/after", moduleFiles("after"))).toMatchObject({ version: 1 });
      expect(await graphOf("acme/before")).toBe(digestOf(Buffer.from(graph)));
      expect(await graphOf("acme/waiting")).toBe(digestOf("a graph"));
      expect(await graphOf("acme/after")).toBe(digestOf("graph after"));
    }, 120_000);

    test("a client waits for room, or is told that there is none; what nobody wants is collected", async () => {
      const unwanted = randomBytes(7 * MIB);
      const upload = await open(unwanted);
      await sendParts(hub, upload, unwanted);
      await completeUpload(hub, upload.id, digestOf(unwanted));
      const { database, store } = hub.deps;
      await database.prisma.blobReference.deleteMany({ where: { holderId: upload.id } });
      const graph = randomBytes(12 * MIB);
      const folder = await mkdtemp(join(tmpdir(), "modulehub-full-store-"));
      try {
        await writeFile(join(folder, "module.json"), MANIFEST);
        await writeFile(join(folder, "model.onnx"), graph);
        await fill();
        const client = new Hub({ url: hub.url, token: hub.admin.authorization.replace("Bearer ", "") });
        const publishing = async () => {
          let last: PublishEvent | undefined;
          for await (const event of client.publish(folder, "acme/patient")) last = event;
          return last;
        };
        const refused = (error: unknown) => {
          expect(error).toMatchObject({ code: "store-unavailable" });
          return "refused" as const;
        };
        const first = publishing().catch(refused);
        const waiting = new Promise((resolve) => setTimeout(resolve, 2_000, "waiting"));
        expect(await Promise.race([first, waiting])).not.toMatchObject({ kind: "published" });
        const isUnwantedThere = async () => {
          await collectGarbage({ database, store, log: { warn: () => undefined } }, -1);
          return (await database.prisma.blob.count({ where: { digest: digestOf(unwanted) } })) > 0;
        };
        await isUnwantedThere();
        await makeRoom();
        // What could not be taken away then goes as soon as the server has come round.
        await expect.poll(isUnwantedThere, { timeout: 30_000 }).toBe(false);
        const done = await first;
        expect(done === "refused" ? await publishing() : done).toMatchObject({
          kind: "published",
          version: 1,
        });
        expect(await graphOf("acme/patient")).toBe(digestOf(graph));
        expect((await ask(hub, "GET", "/health/ready")).status).toBe(200);
      } finally {
        await rm(folder, { recursive: true });
      }
    }, 120_000);
  });
}
