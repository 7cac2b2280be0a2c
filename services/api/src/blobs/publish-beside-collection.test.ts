import { randomUUID } from "node:crypto";
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
import { type Collected, collectGarbage } from "./garbage-collection.ts";

/**
 * Publishers who publish and delete versions of few contents, so that what one of them sends is garbage of another,
 * past its grace, while collections run. Every version that was published must have every file, with its right bytes.
 */

const PUBLISHERS = 4;
const PUBLISHED_BY_EACH = 6;
/** Of each, the last so many versions are kept; the others are deleted at once. */
const KEPT = 2;
/** So few of each pair of publishers that they are published again and again. */
const CONTENTS = 2;

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

interface Published {
  hub: TestHub;
  module: string;
  version: number;
  files: Record<string, string>;
}

/** Publishes, and sends again what a collection took away meanwhile. Says how often there was something. */
async function publishThrough(
  hub: TestHub,
  module: string,
  files: Record<string, string>,
): Promise<{ version: number; again: number }> {
  const publisher = module.split("/")[0]!;
  const opened = await ask<DraftBody>(hub, "POST", `/v1/modules/${module}/drafts`, { files: listOf(files) });
  expect(opened.status).toBe(201);
  const contents = new Map(Object.values(files).map((content) => [digestOf(content) as string, content]));
  for (let again = 0; ; again++) {
    const { missing } = (await ask<DraftBody>(hub, "GET", `/v1/drafts/${opened.body.id}`)).body;
    for (const digest of missing ?? []) await uploadBytes(hub, publisher, Buffer.from(contents.get(digest)!));
    const asked = await ask<{ code?: string }>(hub, "POST", `/v1/drafts/${opened.body.id}/publish`);
    if (asked.status !== 202) {
      expect(asked.body).toMatchObject({ code: "blobs-missing" });
      continue;
    }
    const draft = await settled(hub, opened.body.id);
    expect(draft).toMatchObject({ state: "published" });
    return { version: draft.version!, again };
  }
}

async function expectFiles({ hub, module, version, files }: Published): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    const answer = await fetch(`${hub.url}/v1/modules/${module}/versions/${version}/files/${path}`, {
      headers: hub.admin,
    });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    expect([answer.status, digestOf(bytes)], `${module}/${version} ${path}`).toEqual([
      200,
      digestOf(content),
    ]);
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
    let [working, collected, again, rounds] = [true, 0, 0, 0];
    /** What a sweep does, without its pauses; uploads keep nothing alive for longer than they must. */
    const collect = async ({ deps }: TestHub): Promise<Collected> => {
      await deps.database.prisma.upload.updateMany({
        where: { state: "stored" },
        data: { expiresAt: new Date(Date.now() - 1_000) },
      });
      await expireUploads(deps);
      return collectGarbage({ ...deps, log: { warn: () => undefined } }, 0);
    };
    const collecting = [...hubs, hubs[0]!].map(async (hub) => {
      while (working) {
        collected += (await collect(hub)).blobs;
        rounds += 1;
        await sleep(20 + Math.random() * 80);
      }
    });
    const versions: Published[] = [];
    const publishing = Array.from({ length: PUBLISHERS }, async (_, number) => {
      const publisher = `p${number}-${randomUUID().slice(0, 8)}`;
      const module = `${publisher}/words`;
      const hub = hubs[number % hubs.length]!;
      expect((await ask(hub, "POST", "/v1/publishers", { id: publisher })).status).toBe(201);
      const pair = number >> 1;
      for (let count = 0; count < PUBLISHED_BY_EACH; count++) {
        const files = {
          "module.json": MANIFEST,
          "model.onnx": `graph ${count % CONTENTS} of ${pair}`,
          "labels.txt": `labels ${(count + number) % CONTENTS} of ${pair}`,
        };
        const done = await publishThrough(hub, module, files);
        again += done.again;
        const published = { hub, module, version: done.version, files };
        await expectFiles(published);
        if (count >= PUBLISHED_BY_EACH - KEPT) {
          versions.push(published);
          continue;
        }
        const path = `/v1/modules/${module}/versions/${done.version}`;
        expect((await ask(hub, "DELETE", path)).status).toBeLessThan(300);
      }
    });
    try {
      await Promise.all(publishing);
    } finally {
      working = false;
      await Promise.all(collecting);
    }
    await collect(hubs[0]!);
    expect(versions).toHaveLength(PUBLISHERS * KEPT);
    for (const published of versions) await expectFiles(published);
    expect(collected).toBeGreaterThan(0);
    console.info(
      `${kind}: ${collected} blobs collected in ${rounds} collections, ${again} times bytes were sent again`,
    );
  },
  120_000,
);
