import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { openDatabase } from "../database/client.ts";
import { migrate } from "../database/migrate.ts";
import { expireUploads } from "../publish/expiry.ts";
import { startPostgresql } from "../testing/postgresql-server.ts";
import {
  ask,
  type DraftBody,
  digestOf,
  listOf,
  MANIFEST,
  settled,
  startTestHub,
  type TestHub,
  uploadBytes,
} from "../testing/test-hub.ts";
import { collectGarbage } from "./garbage-collection.ts";

/**
 * Round by round, everything that was published is deleted, so that it is garbage past its grace; then publishers publish
 * the same content again while collections take it away. Every version must have every file, with its right bytes.
 */

const ROUNDS = 4;
const PUBLISHERS = 4;
/** Of each replica in a round. */
const COLLECTIONS = 2;

const FILES = { "module.json": MANIFEST, "model.onnx": "the same graph", "labels.txt": "cat\ndog\n" };
const CONTENTS = new Map<string, string>(Object.values(FILES).map((content) => [digestOf(content), content]));

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Two replicas on one PostgreSQL and one folder; or the only one that there can be. */
async function startReplicas(kind: "postgresql" | "embedded"): Promise<TestHub[] | undefined> {
  if (kind === "embedded") {
    const hub = await startTestHub();
    ends.push(() => hub.close());
    return [hub];
  }
  const server = await startPostgresql({ settings: ["fsync=off"] });
  if (server === undefined) return undefined;
  ends.push(() => server.stop());
  const replica = async (others: Partial<TestHub["deps"]> = {}) => {
    const database = await openDatabase({ kind: "postgresql", url: server.url });
    await migrate(database);
    const hub = await startTestHub({ database, ...others });
    ends.push(
      () => database.close(),
      () => hub.close(),
    );
    return hub;
  };
  const first = await replica();
  return [first, await replica({ store: first.deps.store })];
}

/** Publishes, and sends again what a collection took away meanwhile. The version's number. */
async function publishThrough(hub: TestHub, module: string): Promise<number> {
  const opened = await ask<DraftBody>(hub, "POST", `/v1/modules/${module}/drafts`, { files: listOf(FILES) });
  expect(opened.status).toBe(201);
  for (;;) {
    const { missing } = (await ask<DraftBody>(hub, "GET", `/v1/drafts/${opened.body.id}`)).body;
    for (const digest of missing ?? [])
      await uploadBytes(hub, module.split("/")[0]!, Buffer.from(CONTENTS.get(digest)!));
    const asked = await ask<{ code?: string }>(hub, "POST", `/v1/drafts/${opened.body.id}/publish`);
    if (asked.status === 202) break;
    expect(asked.body).toMatchObject({ code: "blobs-missing" });
  }
  const draft = await settled(hub, opened.body.id);
  expect(draft).toMatchObject({ state: "published" });
  return draft.version!;
}

async function expectFiles(hub: TestHub, version: string): Promise<void> {
  for (const [path, content] of Object.entries(FILES)) {
    const answer = await fetch(`${hub.url}${version}/files/${path}`, { headers: hub.admin });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    expect([answer.status, digestOf(bytes)], `${version} ${path}`).toEqual([200, digestOf(content)]);
  }
}

test.each(["postgresql", "embedded"] as const)(
  "what is published while collections take the same content away is all there (%s)",
  async (kind) => {
    const hubs = await startReplicas(kind);
    if (hubs === undefined) {
      console.info("Publishing beside collections on PostgreSQL is not tested: it is not installed.");
      return;
    }
    const [first] = hubs as [TestHub, ...TestHub[]];
    const publishers = Array.from({ length: PUBLISHERS }, (_, number) => ({
      hub: hubs[number % hubs.length]!,
      module: `publisher-${number}/words`,
    }));
    for (const { hub, module } of publishers)
      expect((await ask(hub, "POST", "/v1/publishers", { id: module.split("/")[0] })).status).toBe(201);
    // Milliseconds in which collections begin: as long as publishing took the last time.
    let span = 200;
    /** What a sweep does; uploads keep nothing alive for longer than they must. */
    const expire = async ({ app, deps }: TestHub) => {
      await deps.database.prisma.upload.updateMany({
        where: { state: "stored" },
        data: { expiresAt: new Date(Date.now() - 1_000) },
      });
      await expireUploads({ ...deps, log: app.log });
    };
    const collect = ({ deps }: TestHub) => collectGarbage({ ...deps, log: { warn: () => undefined } }, 0);
    const collectSoon = async (hub: TestHub) => {
      for (let count = 0; count < COLLECTIONS; count++) {
        await sleep(Math.random() * span);
        await expire(hub);
        await collect(hub);
      }
    };
    for (let round = 1; round <= ROUNDS; round++) {
      const begun = performance.now();
      const [published] = await Promise.all([
        Promise.all(
          publishers.map(async ({ hub, module }) => {
            await sleep(Math.random() * 20);
            const number = await publishThrough(hub, module);
            expect(number).toBe(round);
            return { hub, version: `/v1/modules/${module}/versions/${number}` };
          }),
        ).finally(() => {
          span = performance.now() - begun;
        }),
        Promise.all(hubs.map(collectSoon)),
      ]);
      await collect(first);
      for (const { hub, version } of published) await expectFiles(hub, version);
      for (const { hub, version } of published)
        expect((await ask(hub, "DELETE", version)).status).toBeLessThan(300);
      await expire(first);
    }
    await collect(first);
    expect(await first.deps.database.prisma.blob.count()).toBe(0);
  },
  120_000,
);
