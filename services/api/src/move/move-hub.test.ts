import { randomBytes } from "node:crypto";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BlobStore } from "../blobs/blob-store.ts";
import { openFilesystemStore } from "../blobs/filesystem-store.ts";
import { connectS3 } from "../blobs/s3-client.ts";
import { createBucket, s3Store } from "../blobs/s3-store.ts";
import { type Database, openDatabase } from "../database/client.ts";
import { migrate } from "../database/migrate.ts";
import { createIdentity } from "../identity/identity.ts";
import { type PostgresqlServer, startPostgresql } from "../testing/postgresql-server.ts";
import { rowsOf } from "../testing/rows-of.ts";
import { isBuilt, S3_SERVERS, startS3 } from "../testing/s3-servers.ts";
import {
  ask,
  moduleFiles,
  prepareDraft,
  publish,
  startTestHub,
  type TestHub,
  uploadBytes,
} from "../testing/test-hub.ts";
import { moveHub, TargetInUse } from "./move-hub.ts";

let folder: string;
let server: PostgresqlServer | undefined;
let hub: TestHub;
let from: Database;
let token: string;
let openUpload: string;
const opened: Database[] = [];

beforeAll(async () => {
  server = await startPostgresql();
  if (server === undefined) return;
  folder = await mkdtemp(join(tmpdir(), "modulehub-move-"));
  from = await openDatabase({ kind: "folder", path: join(folder, "database") });
  await migrate(from);
  const store = await openFilesystemStore(folder);
  hub = await startTestHub({ database: from, store, partSize: 65_536 });
  await fill();
}, 300_000);
afterAll(async () => {
  await hub?.close();
  for (const database of opened) await database.close();
  await server?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** One of everything that a hub has. */
async function fill(): Promise<void> {
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  token = (await hub.tokenOf("writer", "acme")).authorization;
  for (const seed of ["one", "two", "three"])
    await publish(hub, "acme/vectors", moduleFiles(seed), { aliases: ["stable"], visibility: "public" });
  await publish(
    hub,
    "acme/old",
    { ...moduleFiles("old"), "README.md": "# Ünïcode \u{1f600}" },
    { version: 7 },
  );
  const base = "/v1/modules/acme/vectors";
  expect((await ask(hub, "POST", `${base}/versions/1/yank`, { reason: "tried" })).status).toBe(200);
  expect((await ask(hub, "DELETE", `${base}/versions/2`)).status).toBe(204);
  expect((await ask(hub, "PUT", "/v1/modules/acme/old", { module: "acme/new" })).status).toBeLessThan(300);
  await prepareDraft(hub, "acme/vectors", moduleFiles("waiting"));
  // Larger than what is read at once.
  await uploadBytes(hub, "acme", randomBytes(3_000_000));
  const upload = await ask<{ id: string }>(hub, "POST", "/v1/uploads", { publisher: "acme", size: 150_000 });
  openUpload = upload.body.id;
  await ask(hub, "PUT", `/v1/uploads/${openUpload}/parts/2`, Buffer.alloc(65_536, 2));
}

async function emptyTarget(): Promise<Database> {
  const name = `move_${opened.length}`;
  const client = new pg.Client({ connectionString: server!.url });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  const url = new URL(server!.url);
  url.pathname = `/${name}`;
  const database = await openDatabase({ kind: "postgresql", url: url.href });
  opened.push(database);
  await migrate(database);
  return database;
}

const stores = async (to: BlobStore) => ({ from: await openFilesystemStore(folder), folder, to });
const needsServer = (context: { skip: (why: string) => void }) => {
  if (server === undefined) context.skip("PostgreSQL is not installed");
};

test("everything arrives as it was: rows, sequences, bytes, and the parts of what was being sent", async (context) => {
  needsServer(context);
  const target = await emptyTarget();
  const place = join(folder, "target");
  const before = await rowsOf(from);
  const moved = await moveHub({
    from,
    to: target,
    stores: await stores(await openFilesystemStore(place)),
    tell: () => undefined,
  });
  expect(moved?.tables.length).toBeGreaterThan(10);
  expect(await rowsOf(target)).toEqual(before);
  expect(await rowsOf(from)).toEqual(before);
  const there = await startTestHub({
    database: target,
    store: await openFilesystemStore(place),
    identity: hub.deps.identity,
    partSize: 65_536,
  });
  there.admin = hub.admin;
  const got = (path: string) => ask<{ received: number[]; account: string }>(there, "GET", path);
  const file = await fetch(`${there.url}/v1/modules/acme/vectors/versions/3/files/model.onnx`);
  expect(await file.text()).toBe("graph three");
  expect((await got("/v1/modules/acme/vectors/versions/2")).status).toBe(410);
  expect((await got(`/v1/uploads/${openUpload}`)).body.received).toEqual([2]);
  const identity = createIdentity(target, { admin: "x".repeat(40), worker: "y".repeat(40) });
  expect(await identity.authenticate(token)).toMatchObject({ account: "acme-writer" });
  expect((await publish(there, "acme/vectors", moduleFiles("next"))).version).toBe(4);
  await there.close();
  expect(
    await moveHub({ from, to: target, stores: await stores(hub.deps.store), tell: () => undefined }),
  ).toBeUndefined();
}, 300_000);

test("a hub moves to PostgreSQL and a bucket, and goes on there", async (context) => {
  needsServer(context);
  const [name] = S3_SERVERS.filter(isBuilt);
  if (name === undefined) context.skip("no S3 server is built here: node scripts/build-s3-servers.ts");
  const s3 = await startS3(name!);
  const connection = connectS3(s3.settings);
  try {
    await createBucket(connection);
    const bucket = s3Store(connection);
    const target = await emptyTarget();
    const moved = await moveHub({
      from,
      to: target,
      stores: await stores(bucket),
      tell: () => undefined,
    });
    expect(moved?.blobs).toBe(await from.prisma.blob.count({ where: { state: "stored" } }));
    const { upload: uploads, ...others } = await rowsOf(target);
    const { upload: before, ...same } = await rowsOf(from);
    expect(others).toEqual(same);
    expect(uploads).toHaveLength(before!.length);
    // Its parts are smaller than a bucket takes, so it can't go on there.
    expect(await target.prisma.upload.findUnique({ where: { id: openUpload } })).toMatchObject({
      state: "cancelled",
    });
    const there = await startTestHub({ database: target, store: bucket, identity: hub.deps.identity });
    there.admin = hub.admin;
    const file = await fetch(`${there.url}/v1/modules/acme/vectors/versions/3/files/model.onnx`);
    expect(await file.text()).toBe("graph three");
    await there.close();
  } finally {
    connection.close();
    await s3.stop();
  }
}, 300_000);

test("broken off while bytes are sent, it goes on where it was; a target in use is refused", async (context) => {
  needsServer(context);
  const target = await emptyTarget();
  const real = await openFilesystemStore(join(folder, "second"));
  let left = 4;
  const dying: BlobStore = {
    ...real,
    assemble: (upload, parts) => {
      if (left-- === 0) throw new Error("killed");
      return real.assemble(upload, parts);
    },
  };
  const tell = () => undefined;
  await expect(moveHub({ from, to: target, stores: await stores(dying), tell })).rejects.toThrow("killed");
  expect(await target.prisma.version.count()).toBe(0);
  const moved = await moveHub({ from, to: target, stores: await stores(real), tell });
  expect(moved?.already).toBe(4);
  expect(await rowsOf(target)).toEqual(await rowsOf(from));
  const other = await emptyTarget();
  await other.prisma.publisher.create({ data: { id: "someone", displayName: "Someone" } });
  await expect(moveHub({ from, to: other, tell })).rejects.toThrow(TargetInUse);
}, 300_000);

test("bytes of the source that are damaged stop it, and nothing of the rows is there", async (context) => {
  needsServer(context);
  const target = await emptyTarget();
  const copy = join(folder, "damaged");
  await cp(join(folder, "blobs"), join(copy, "blobs"), { recursive: true });
  const damaged = await openFilesystemStore(copy);
  const row = await from.prisma.blob.findFirstOrThrow({
    where: { state: "stored" },
    orderBy: { id: "desc" },
  });
  const path = join(copy, "blobs", row.storageKey.slice(0, 2), row.storageKey);
  await writeFile(path, Buffer.alloc(Number(row.size)));
  const to = await openFilesystemStore(join(folder, "third"));
  const moving = moveHub({
    from,
    to: target,
    stores: { from: damaged, folder: copy, to },
    tell: () => undefined,
  });
  await expect(moving).rejects.toThrow(row.storageKey);
  expect(await target.prisma.version.count()).toBe(0);
}, 300_000);
