import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, digestOf, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";
import { checkConsistency, repair } from "./check.ts";
import type { Finding } from "./finding.ts";

/** Seconds; what tests make is set back by more. */
const GRACE = 3_600;
let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  expect((await publish(hub, "acme/vectors", moduleFiles("one"))).version).toBe(1);
  expect((await publish(hub, "acme/vectors", moduleFiles("two"))).version).toBe(2);
});
afterAll(() => hub.close());

const check = (deep = false) => checkConsistency(hub.deps, { deep, grace: GRACE });
const kinds = (findings: Finding[]) => findings.map(({ kind }) => kind);
const run = (sql: string, ...values: unknown[]) => hub.deps.database.prisma.$executeRawUnsafe(sql, ...values);
const blobOf = async (content: string) => {
  const blob = await hub.deps.database.prisma.blob.findFirstOrThrow({ where: { digest: digestOf(content) } });
  return { ...blob, path: join(hub.data, "blobs", blob.storageKey.slice(0, 2), blob.storageKey) };
};

test("a hub that works has nothing to tell, to its last byte", async () => {
  expect(await check(true)).toEqual([]);
});

test("bytes that were lost are told with what relies on them, and are not mended", async () => {
  const { path, storageKey } = await blobOf("graph one");
  await rm(path);
  const detail = expect.stringContaining(`${digestOf("graph one")}; relied on by acme/vectors/1`);
  const expected = [{ kind: "bytes-lost", subject: storageKey, detail }];
  expect(await check()).toEqual(expected);
  await repair(hub.deps, GRACE);
  expect(await check()).toEqual(expected);
  await writeFile(path, "graph one");
  expect(await check(true)).toEqual([]);
});

test("bytes of another length, and others of the same length, are told by a deep look", async () => {
  const { path } = await blobOf("graph one");
  await writeFile(path, "graph");
  expect(kinds(await check())).toEqual([]);
  expect(kinds(await check(true))).toEqual(["bytes-short"]);
  await writeFile(path, "graph two");
  expect(kinds(await check(true))).toEqual(["bytes-wrong"]);
  await writeFile(path, "graph one");
});

test("a store that can't be asked is an error, and not a loss", async () => {
  const { path } = await blobOf("graph one");
  await rm(path);
  const store = { ...hub.deps.store, check: () => Promise.reject(new Error("away")) };
  await expect(checkConsistency({ ...hub.deps, store }, { deep: false, grace: GRACE })).rejects.toThrow(
    "away",
  );
  await writeFile(path, "graph one");
});

test("a reference that a version lacks is made again, before a collection takes its bytes", async () => {
  const { id, path } = await blobOf("graph one");
  await run("DELETE FROM blob_reference WHERE blob_id = $1 AND holder_kind = 'version'", id);
  await run("UPDATE blob SET touched_at = now() - interval '1 day' WHERE id = $1", id);
  expect(kinds(await check())).toContain("version-lacks-reference");
  await repair(hub.deps, GRACE);
  expect(await check(true)).toEqual([]);
  await run("UPDATE blob SET state = 'deleting' WHERE id = $1", id);
  expect(kinds(await check())).toEqual(["bytes-being-deleted", "blob-half-deleted"]);
  await repair(hub.deps, GRACE);
  expect(await check(true)).toEqual([]);
  expect(await readdir(dirname(path))).toContain(basename(path));
});

test("a version whose file no row knows is damage", async () => {
  await run(
    "INSERT INTO version_file SELECT id, 'lost.bin', 3, $1, 'asset' FROM version WHERE number = 2",
    digestOf("no"),
  );
  expect(await check()).toEqual([
    { kind: "version-lacks-bytes", subject: "acme/vectors/2", detail: `lost.bin ${digestOf("no")}` },
  ]);
  await run("DELETE FROM version_file WHERE path = 'lost.bin'");
});

test("references to nothing, numbers that would come again and modules that are not listed are mended", async () => {
  const { id } = await blobOf("graph one");
  await run(
    "INSERT INTO blob_reference VALUES ($1, 'draft', 'gone', 'acme'), ($1, 'version', '9999', 'acme')",
    id,
  );
  await run("UPDATE module SET next_version = 2");
  await run("DELETE FROM listing");
  expect(kinds(await check())).toEqual([
    "reference-to-nothing",
    "reference-to-nothing",
    "number-would-be-reused",
    "module-not-listed",
  ]);
  await repair(hub.deps, GRACE);
  expect(await check()).toEqual([]);
  expect((await publish(hub, "acme/vectors", moduleFiles("three"))).version).toBe(3);
  const found = await ask<{ items: { name: string }[] }>(hub, "GET", "/v1/modules?q=vectors");
  expect(found.body.items).toHaveLength(1);
});

test("the number of a version that was deleted is known too", async () => {
  expect((await ask(hub, "DELETE", "/v1/modules/acme/vectors/versions/3")).status).toBe(204);
  await run("UPDATE module SET next_version = 3");
  expect(kinds(await check())).toContain("number-would-be-reused");
  await repair(hub.deps, GRACE);
  expect((await publish(hub, "acme/vectors", moduleFiles("four"))).version).toBe(4);
});

test("what nothing relies on is garbage once its grace is over, and goes", async () => {
  const key = "0000stray-bytes-of-nobody";
  const stray = join(hub.data, "blobs", "00", key);
  await mkdir(join(stray, ".."), { recursive: true });
  await writeFile(stray, "stray");
  await mkdir(join(hub.data, "uploads", "0000parts-of-nobody"));
  expect(kinds(await check())).toEqual([]);
  const long = { grace: -3_600, deep: false };
  expect(kinds(await checkConsistency(hub.deps, long))).toEqual(
    expect.arrayContaining(["bytes-without-row", "parts-without-upload"]),
  );
  await repair(hub.deps, -3_600);
  expect(kinds(await checkConsistency(hub.deps, long))).toEqual([]);
  // What versions rely on is there.
  expect(await check(true)).toEqual([]);
});
