import { randomUUID } from "node:crypto";
import { utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { problem } from "@modulehub/core";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { expireUploads } from "../publish/expiry.ts";
import { beginUpload, sendPart, storeBytes } from "../testing/store-parts.ts";
import { ask, digestOf, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";
import type { BlobStore } from "./blob-store.ts";
import { collectGarbage } from "./garbage-collection.ts";
import { blobsOpenTo, dropReferences, takeReferences } from "./references.ts";

const HOUR = 3_600;
let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
}, 60_000);
afterAll(() => hub.close());
beforeEach(async () => {
  await hub.deps.database.prisma.blobReference.deleteMany();
  await hub.deps.database.prisma.blob.deleteMany();
});

const log = { warn: () => undefined };
const collect = (grace = HOUR, store: BlobStore = hub.deps.store) =>
  collectGarbage({ database: hub.deps.database, store, log }, grace);

/** Bytes that are stored, and whose row was touched so many seconds ago. */
async function stored(text: string, age: number): Promise<{ id: number; key: string }> {
  const { store, database } = hub.deps;
  const key = randomUUID();
  await storeBytes(store, key, Buffer.from(text));
  const [row] = await database.prisma.$queryRaw<{ id: number }[]>`
    INSERT INTO blob (digest, size, state, storage_key, touched_at)
    VALUES (${digestOf(text)}, ${Buffer.byteLength(text)}, 'stored', ${key}, now() - make_interval(secs => ${age}))
    RETURNING id`;
  return { id: row!.id, key };
}

const isThere = async (key: string, size: number): Promise<boolean> => {
  try {
    await (await hub.deps.store.read(key, size)).close();
    return true;
  } catch {
    return false;
  }
};
const rowOf = (id: number) => hub.deps.database.prisma.blob.findUnique({ where: { id } });
const holder = () => ({ kind: "draft", id: randomUUID(), publisher: "acme" }) as const;

test("bytes that nothing refers to go after the grace, younger ones and those referred to stay", async () => {
  const [old, young, held] = [
    await stored("old", 2 * HOUR),
    await stored("young", HOUR / 2),
    await stored("held", 2 * HOUR),
  ];
  await takeReferences(hub.deps.database.prisma, holder(), [held.id]);
  await hub.deps.database.prisma.$executeRaw`
    UPDATE blob SET touched_at = now() - interval '9 hours' WHERE id = ${held.id}`;
  expect(await collect()).toEqual({ blobs: 1, bytes: 3n, strays: 0 });
  expect(await rowOf(old.id)).toBeNull();
  expect(await isThere(old.key, 3)).toBe(false);
  for (const { id, key, size } of [
    { ...young, size: 5 },
    { ...held, size: 4 },
  ]) {
    expect(await rowOf(id)).toMatchObject({ state: "stored" });
    expect(await isThere(key, size)).toBe(true);
  }
});

test("a reference that is let go leaves its bytes the grace, counted from then", async () => {
  const { prisma } = hub.deps.database;
  const blob = await stored("let go", 2 * HOUR);
  const [draft, other] = [holder(), holder()];
  for (const each of [draft, other]) await takeReferences(prisma, each, [blob.id]);
  const age = (hours: number) =>
    prisma.$executeRaw`UPDATE blob SET touched_at = now() - make_interval(hours => ${hours}::int) WHERE id = ${blob.id}`;
  await age(9);
  await dropReferences(prisma, draft);
  await dropReferences(prisma, other);
  expect(await collect()).toMatchObject({ blobs: 0 });
  await age(2);
  expect(await collect()).toMatchObject({ blobs: 1 });
});

test("bytes on their way out are not open to anyone, and the same bytes can be sent again meanwhile", async () => {
  const { database } = hub.deps;
  const first = await stored("twice", 2 * HOUR);
  await takeReferences(database.prisma, holder(), [first.id]);
  await database.prisma.blob.update({ where: { id: first.id }, data: { state: "deleting" } });
  expect(await takeReferences(database.prisma, holder(), [first.id])).toEqual(new Set());
  expect((await blobsOpenTo(database.prisma, "acme", [digestOf("twice")])).size).toBe(0);
  await database.prisma.blobReference.deleteMany();
  const second = await stored("twice", 0);
  expect(await collect()).toMatchObject({ blobs: 1 });
  expect(await rowOf(first.id)).toBeNull();
  expect(await isThere(second.key, 5)).toBe(true);
});

test("a collection that dies before or after the bytes are deleted is finished by the next", async () => {
  const before = await stored("before", 2 * HOUR);
  const after = await stored("after", 2 * HOUR);
  const dying: BlobStore = {
    ...hub.deps.store,
    delete: async (key) => {
      if (key === after.key) await hub.deps.store.delete(key);
      throw problem("store-unavailable");
    },
  };
  expect(await collect(HOUR, dying)).toMatchObject({ blobs: 0 });
  for (const { id } of [before, after]) expect(await rowOf(id)).toMatchObject({ state: "deleting" });
  expect(await isThere(before.key, 6)).toBe(true);
  expect(await collect()).toEqual({ blobs: 2, bytes: 11n, strays: 0 });
  for (const { id } of [before, after]) expect(await rowOf(id)).toBeNull();
  expect(await isThere(before.key, 6)).toBe(false);
});

test("bytes without a row, and parts of uploads that have ended, go when they are older than the grace", async () => {
  const { store, database } = hub.deps;
  const [gone, open, young, joined] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  const part = { number: 1, size: 4 };
  for (const key of [gone, open, young, joined])
    await sendPart(store, await beginUpload(store, key), part, Buffer.from("part"));
  for (const key of [gone, joined]) await store.assemble({ key, handle: "" }, [part]);
  const expiresAt = new Date(Date.now() + 60_000);
  const row = { publisherId: "acme", size: 4n, partSize: 4, expiresAt };
  await database.prisma.upload.create({ data: { id: open, state: "open", ...row } });
  await database.prisma.upload.create({ data: { id: joined, state: "verifying", ...row } });
  await database.prisma.upload.create({ data: { id: gone, state: "cancelled", ...row } });
  const long = new Date(Date.now() - 2 * HOUR * 1_000);
  const blobs = [gone, joined].map((key) => `blobs/${key.slice(0, 2)}/${key}`);
  for (const path of [...blobs, ...[gone, open, joined].map((key) => `uploads/${key}`)])
    await utimes(join(hub.data, path), long, long);
  expect(await collect()).toEqual({ blobs: 0, bytes: 0n, strays: 2 });
  expect(await isThere(gone, 4)).toBe(false);
  expect(await isThere(joined, 4)).toBe(true);
  const left = (await store.list("uploads")).items.map(({ name }) => name);
  expect(left.sort()).toEqual([open, young, joined].sort());
});

test("bytes without a row that can't be taken away keep no others from going, and go with the next collection", async () => {
  const { store } = hub.deps;
  // The store lists by name, so that what stays is met first.
  const [stays, goes] = [randomUUID(), randomUUID()].sort() as [string, string];
  for (const key of [stays, goes]) await storeBytes(store, key, Buffer.from("stray"));
  const long = new Date(Date.now() - 2 * HOUR * 1_000);
  for (const key of [stays, goes])
    await utimes(join(hub.data, `blobs/${key.slice(0, 2)}/${key}`), long, long);
  const full: BlobStore = {
    ...store,
    delete: async (key) => {
      if (key === stays) throw problem("store-unavailable");
      await store.delete(key);
    },
  };
  expect(await collect(HOUR, full)).toEqual({ blobs: 0, bytes: 0n, strays: 1 });
  expect(await isThere(stays, 5)).toBe(true);
  expect(await isThere(goes, 5)).toBe(false);
  expect(await collect()).toEqual({ blobs: 0, bytes: 0n, strays: 1 });
  expect(await isThere(stays, 5)).toBe(false);
});

test("what a version was made of is deleted once the version is gone, and not before", async () => {
  const { prisma } = hub.deps.database;
  const graph = "graph full cycle";
  await publish(hub, "acme/cycle", moduleFiles("full cycle"), { visibility: "public" });
  // As if two weeks had passed: the upload keeps nothing any more, and nothing was touched.
  await expireUploads({ ...hub.deps, log }, new Date(Date.now() + 14 * 24 * HOUR * 1_000));
  await prisma.$executeRaw`UPDATE blob SET touched_at = now() - interval '14 days'`;
  const { storageKey } = await prisma.blob.findFirstOrThrow({ where: { digest: digestOf(graph) } });
  expect(await collect()).toMatchObject({ blobs: 0 });
  const file = await fetch(`${hub.url}/v1/modules/acme/cycle/versions/1/files/model.onnx`);
  expect(await file.text()).toBe(graph);
  const [version] = await prisma.version.findMany({ where: { module: { name: "acme/cycle" } } });
  for (const kind of ["version", "documentation"] as const)
    await dropReferences(prisma, { kind, id: String(version!.id) });
  expect(await collect()).toMatchObject({ blobs: 0 });
  await prisma.$executeRaw`UPDATE blob SET touched_at = now() - interval '2 hours'`;
  expect(await collect()).toMatchObject({ blobs: 3 });
  expect(await isThere(storageKey, graph.length)).toBe(false);
});

/** What may happen to a few blobs, in the words of the contract; the model is a set of holders and an age. */
const operation = fc.oneof(
  fc.record({ do: fc.constant("take" as const), blob: fc.nat(4), by: fc.nat(3) }),
  fc.record({ do: fc.constant("drop" as const), by: fc.nat(3) }),
  fc.record({ do: fc.constant("age" as const), hours: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ do: fc.constant("collect" as const) }),
  fc.record({ do: fc.constant("die" as const), blob: fc.nat(4) }),
  fc.record({ do: fc.constant("send" as const), blob: fc.nat(4) }),
);

test("whatever is taken, let go, aged and collected, exactly what the rule says is there", async () => {
  const { database } = hub.deps;
  const run = async (operations: (typeof operation extends fc.Arbitrary<infer T> ? T : never)[]) => {
    await database.prisma.blobReference.deleteMany();
    await database.prisma.blob.deleteMany();
    interface Model {
      key: string;
      id: number;
      hours: number;
      holders: Set<number>;
      state: "stored" | "deleting" | "gone";
    }
    const model: Model[] = [];
    const send = async (index: number) => {
      const row = await stored(`blob ${index}`, 0);
      model[index] = { ...row, hours: 0, holders: new Set(), state: "stored" };
    };
    for (let index = 0; index < 5; index++) await send(index);
    const mark = () => {
      for (const blob of model)
        if (blob.state === "stored" && blob.holders.size === 0 && blob.hours >= 2) blob.state = "deleting";
    };
    const reference = (by: number) => ({ kind: "draft", id: `holder ${by}`, publisher: "acme" }) as const;
    for (const step of operations) {
      switch (step.do) {
        case "take": {
          const blob = model[step.blob]!;
          const kept = await takeReferences(database.prisma, reference(step.by), [blob.id]);
          expect(kept.has(blob.id)).toBe(blob.state === "stored");
          if (blob.state === "stored") {
            blob.holders.add(step.by);
            blob.hours = 0;
          }
          break;
        }
        case "drop":
          await dropReferences(database.prisma, reference(step.by));
          for (const blob of model)
            if (blob.holders.delete(step.by) && blob.holders.size === 0) blob.hours = 0;
          break;
        case "age":
          await database.prisma.$executeRaw`
            UPDATE blob SET touched_at = touched_at - make_interval(hours => ${step.hours}::int)`;
          for (const blob of model) blob.hours += step.hours;
          break;
        case "collect":
          mark();
          await collect(2 * HOUR - 60);
          for (const blob of model) if (blob.state === "deleting") blob.state = "gone";
          break;
        case "die": {
          mark();
          const dies = model[step.blob]!.key;
          const dying = {
            ...hub.deps.store,
            delete: (key: string) =>
              key === dies ? Promise.reject(problem("store-unavailable")) : hub.deps.store.delete(key),
          };
          await collect(2 * HOUR - 60, dying);
          for (const blob of model) if (blob.state === "deleting" && blob.key !== dies) blob.state = "gone";
          break;
        }
        case "send":
          if (model[step.blob]!.state === "gone") await send(step.blob);
      }
      for (const [index, { id, key, state }] of model.entries()) {
        expect((await rowOf(id))?.state ?? "gone").toBe(state);
        if (state !== "deleting") expect(await isThere(key, `blob ${index}`.length)).toBe(state === "stored");
      }
    }
  };
  await fc.assert(fc.asyncProperty(fc.array(operation, { minLength: 20, maxLength: 40 }), run), {
    numRuns: 12,
    endOnFailure: true,
  });
}, 120_000);

test("a reference that is taken beside a collection is never lost", async () => {
  const { prisma } = hub.deps.database;
  for (const pause of [0, 30, 120]) {
    const blob = await stored(`beside ${pause}`, 2 * HOUR);
    const taken = Promise.withResolvers<void>();
    const taking = prisma.$transaction(async (tx) => {
      const kept = await takeReferences(tx, holder(), [blob.id]);
      taken.resolve();
      await sleep(pause);
      return kept.size;
    });
    await taken.promise;
    await collect();
    expect(await taking).toBe(1);
    expect(await rowOf(blob.id)).toMatchObject({ state: "stored" });
    expect(await isThere(blob.key, `beside ${pause}`.length)).toBe(true);
  }
});

test("nor where the clock jumps ahead by more than the grace while it is taken", async () => {
  const { prisma } = hub.deps.database;
  for (const pause of [0, 30, 120]) {
    const blob = await stored(`jump ${pause}`, 2 * HOUR);
    const taken = Promise.withResolvers<void>();
    const taking = prisma.$transaction(async (tx) => {
      await takeReferences(tx, holder(), [blob.id]);
      // What the row looks like to a clock that has jumped since.
      await tx.$executeRaw`UPDATE blob SET touched_at = now() - interval '9 hours' WHERE id = ${blob.id}`;
      taken.resolve();
      await sleep(pause);
    });
    await taken.promise;
    await Promise.all([collect(), collect(), taking]);
    await collect();
    expect(await rowOf(blob.id)).toMatchObject({ state: "stored" });
    expect(await isThere(blob.key, `jump ${pause}`.length)).toBe(true);
  }
});

test("bytes that become a blob's while a collection looks at them stay, however old they are", async () => {
  const { store, database } = hub.deps;
  const id = randomUUID();
  await storeBytes(store, id, Buffer.from("just in time"));
  const expiresAt = new Date(Date.now() + 60_000);
  const row = { publisherId: "acme", size: 12n, partSize: 12, expiresAt };
  await database.prisma.upload.create({ data: { id, state: "verifying", ...row } });
  const long = new Date(Date.now() - 2 * HOUR * 1_000);
  await utimes(join(hub.data, "blobs", id.slice(0, 2), id), long, long);
  // Between any two of the collection's questions, the upload becomes a blob.
  for (let wait = 0, reached = true; reached; wait++) {
    reached = false;
    let questions = 0;
    const prisma = database.prisma.$extends({
      query: {
        async $allOperations({ model, args, query }) {
          const answer = await query(args);
          if ((model === "Upload" || model === "Blob") && questions++ === wait) {
            reached = true;
            await database.prisma.$transaction(async (tx) => {
              await tx.upload.update({ where: { id }, data: { state: "stored" } });
              const blob = { digest: digestOf("just in time"), size: 12n, state: "stored", storageKey: id };
              await takeReferences(tx, { ...holder(), kind: "upload" }, [
                (await tx.blob.create({ data: blob })).id,
              ]);
            });
          }
          return answer;
        },
      },
    });
    await collectGarbage({ database: { ...database, prisma: prisma as never }, store, log }, HOUR);
    expect(await isThere(id, 12), `after ${wait} questions`).toBe(true);
    await database.prisma.blobReference.deleteMany();
    await database.prisma.blob.deleteMany();
    await database.prisma.upload.update({ where: { id }, data: { state: "verifying" } });
  }
});

test("whatever way references and collections fall together, what is referred to is there", async () => {
  const { prisma } = hub.deps.database;
  for (let round = 0; round < 30; round++) {
    const blob = await stored(`round ${round}`, 2 * HOUR);
    const take = async () => {
      await sleep(Math.random() * 4);
      return prisma.$transaction(async (tx) => {
        const kept = await takeReferences(tx, holder(), [blob.id]);
        // Not even the time when it was taken is needed for it.
        if (round % 2 === 0)
          await tx.$executeRaw`UPDATE blob SET touched_at = now() - interval '9 hours' WHERE id = ${blob.id}`;
        await sleep(Math.random() * 4);
        return kept.size === 1;
      });
    };
    const collectSoon = async () => {
      await sleep(Math.random() * 4);
      await collect();
    };
    const [first, , second] = await Promise.all([take(), collectSoon(), take(), collectSoon()]);
    const there = await isThere(blob.key, `round ${round}`.length);
    expect(there).toBe(first || second);
    expect((await rowOf(blob.id))?.state).toBe(there ? "stored" : undefined);
  }
});
