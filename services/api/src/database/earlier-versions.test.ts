import { createHash } from "node:crypto";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkRows } from "../consistency/check-rows.ts";
import { makeMissingListings } from "../registry/missing-listings.ts";
import { type PostgresqlServer, startPostgresql } from "../testing/postgresql-server.ts";
import { type Database, openDatabase } from "./client.ts";
import { migrate } from "./migrate.ts";

/** A database as each earlier version of the hub left it, with rows of that time, becomes one of today. */

const MIGRATIONS = join(import.meta.dirname, "../../../../migrations");
const names = (await readdir(MIGRATIONS)).sort();

let folder: string;
let server: PostgresqlServer | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "modulehub-earlier-"));
  server = await startPostgresql();
}, 60_000);
afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Of sha256 as the empty, one-letter and so on strings have it; any will do, so long as they differ. */
const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;
const MANIFEST = JSON.stringify({
  schemaVersion: 1,
  task: "text-embedding",
  signatures: {
    default: {
      inputs: { text: { dtype: "string", shape: ["batch"] } },
      outputs: { default: { dtype: "float32", shape: ["batch", 4] } },
    },
  },
});

/** What the hub wrote when its newest migration was `newest`: module of two versions, of which 3 was deleted. */
function rowsOf(newest: string): string {
  const since = (migration: string) => newest >= migration;
  const documented = since("20261123211000");
  const doc = documented
    ? `INSERT INTO documentation (version_id, revision, card, changes) SELECT id, 1,
         '{"languages":[],"datasets":[],"baseModels":[],"tags":[],"text":""}', '{"count":0,"first":[]}' FROM version;
       INSERT INTO documentation_file (version_id, revision, path, size, digest)
         SELECT id, 1, 'README.md', 5, '${digest("c")}' FROM version;
       INSERT INTO blob_reference SELECT 3, 'documentation', id::text, 'acme' FROM version;
       INSERT INTO module_name SELECT lower_name, name, hf_name, id FROM module;
       INSERT INTO revision (module_id, revision, parent, version_id, documentation_revision) VALUES
         (1, '${revisions[0]}', '${EMPTY}', 1, 1), (1, '${revisions[1]}', '${revisions[0]}', 2, 1);`
    : `INSERT INTO version_file SELECT id, 'README.md', 5, '${digest("c")}', 'doc' FROM version;
       INSERT INTO blob_reference SELECT 3, 'version', id::text, 'acme' FROM version;`;
  return `
    INSERT INTO publisher (id, display_name) VALUES ('acme', 'Acme');
    INSERT INTO module (publisher_id, name, lower_name, hf_name, oci_name, visibility, next_version)
      VALUES ('acme', 'acme/Words', 'acme/words', 'acme/Words', 'acme/words', 'public', 4);
    INSERT INTO version (module_id, number, digest, manifest, report, batching) VALUES
      (1, 1, '${digest("1")}', '${MANIFEST}', '{}', '{}'), (1, 2, '${digest("2")}', '${MANIFEST}', '{}', '{}');
    INSERT INTO blob (digest, size, state, storage_key) VALUES
      ('${digest("a")}', 3, 'stored', 'key-a'), ('${digest("b")}', 4, 'stored', 'key-b'), ('${digest("c")}', 5, 'stored', 'key-c');
    INSERT INTO version_file SELECT id, 'model.onnx', 3, '${digest("a")}', 'graph' FROM version;
    INSERT INTO version_file SELECT id, 'module.json', 4, '${digest("b")}', 'asset' FROM version;
    INSERT INTO blob_reference SELECT b, 'version', v.id::text, 'acme' FROM version v CROSS JOIN (VALUES (1), (2)) x (b);
    ${doc}
    INSERT INTO alias (module_id, name, version_id) VALUES (1, 'stable', 1);
    INSERT INTO upload (id, publisher_id, size, digest, part_size, state, expires_at)
      VALUES ('upload-1', 'acme', 9, '${digest("d")}', 8, 'open', now() + interval '1 day');
    ${newest < "20261129112125" ? "INSERT INTO upload_part VALUES ('upload-1', 1, 8);" : ""}
    INSERT INTO draft (id, module_id, state, files, aliases, expires_at)
      VALUES ('draft-1', 1, 'uploading', '[]', '{next}', now() + interval '1 day');
    INSERT INTO tombstone (lower_name, version${since("20261123224500") ? ", publisher_id" : ""})
      VALUES ('acme/words', 3${since("20261123224500") ? ", 'acme'" : ""});
    ${since("20261123210000") ? "INSERT INTO account (id, display_name) VALUES ('ada', 'Ada'); INSERT INTO member (publisher_id, account_id, role) VALUES ('acme', 'ada', 'owner');" : ""}`;
}

/** As the contract has it: the first 40 digits of sha256 over {files, parent} in RFC 8785's form. */
const EMPTY = createHash("sha256").update('{"files":[],"parent":null}').digest("hex").slice(0, 40);
const FILES = [
  ["README.md", "c", 5],
  ["model.onnx", "a", 3],
  ["module.json", "b", 4],
].map(([path, letter, size]) => `{"digest":"${digest(String(letter))}","path":"${path}","size":${size}}`);
const revisionAfter = (parent: string): string =>
  createHash("sha256").update(`{"files":[${FILES}],"parent":"${parent}"}`).digest("hex").slice(0, 40);
const revisions = [revisionAfter(EMPTY), revisionAfter(revisionAfter(EMPTY))];

async function migratedFrom(database: Database, count: number): Promise<void> {
  const earlier = await mkdtemp(join(folder, "migrations-"));
  for (const name of names.slice(0, count))
    await cp(join(MIGRATIONS, name), join(earlier, name), { recursive: true });
  await migrate(database, earlier);
  await database.script(rowsOf(names[count - 1]!));
  expect(await migrate(database)).toEqual(names.slice(count));
  await makeMissingListings(database);
  await expectWhole(database);
}

async function expectWhole({ prisma, ...database }: Database): Promise<void> {
  const ask = (sql: string) => prisma.$queryRawUnsafe<Record<string, unknown>[]>(sql);
  expect(
    await ask("SELECT id, number, digest, documentation_revision AS doc FROM version ORDER BY id"),
  ).toEqual([
    { id: 1, number: 1, digest: digest("1"), doc: 1 },
    { id: 2, number: 2, digest: digest("2"), doc: 1 },
  ]);
  const files = await ask(
    "SELECT version_id AS v, path, size::int AS size, digest FROM version_file ORDER BY 1, 2",
  );
  expect(files).toEqual(
    [1, 2].flatMap((v) => [
      { v, path: "model.onnx", size: 3, digest: digest("a") },
      { v, path: "module.json", size: 4, digest: digest("b") },
    ]),
  );
  expect(await ask("SELECT version_id AS v, path, digest FROM documentation_file ORDER BY 1")).toEqual(
    [1, 2].map((v) => ({ v, path: "README.md", digest: digest("c") })),
  );
  const references = await ask(
    "SELECT blob_id AS b, holder_kind AS k, holder_id AS h FROM blob_reference ORDER BY 3, 1",
  );
  expect(references).toEqual(
    ["1", "2"].flatMap((h) => [
      { b: 1, k: "version", h },
      { b: 2, k: "version", h },
      { b: 3, k: "documentation", h },
    ]),
  );
  expect(await ask("SELECT revision, parent FROM revision ORDER BY id")).toEqual([
    { revision: revisions[0], parent: EMPTY },
    { revision: revisions[1], parent: revisions[0] },
  ]);
  expect(await ask("SELECT name, hf_name, module_id FROM module_name")).toEqual([
    { name: "acme/Words", hf_name: "acme/Words", module_id: 1 },
  ]);
  expect(await ask("SELECT name, version, open FROM listing")).toEqual([
    { name: "acme/Words", version: 2, open: true },
  ]);
  expect(await ask("SELECT lower_name, version, publisher_id FROM tombstone")).toEqual([
    { lower_name: "acme/words", version: 3, publisher_id: "acme" },
  ]);
  expect(await ask("SELECT a.name, v.number FROM alias a JOIN version v ON v.id = a.version_id")).toEqual([
    { name: "stable", number: 1 },
  ]);
  expect(await ask("SELECT next_version FROM module")).toEqual([{ next_version: 4 }]);
  expect(await ask("SELECT id, state FROM upload UNION ALL SELECT id, state FROM draft")).toEqual([
    { id: "upload-1", state: "open" },
    { id: "draft-1", state: "uploading" },
  ]);
  expect(await checkRows({ ...database, prisma })).toEqual([]);
}

const EARLIER = names.slice(0, -1).map((name, index) => [name, index + 1] as const);

test.each(EARLIER)(
  "the embedded database of a hub whose newest migration was %s",
  async (_, count) => {
    const database = await openDatabase({ kind: "memory" });
    try {
      await migratedFrom(database, count);
    } finally {
      await database.close();
    }
  },
  60_000,
);

async function onServer(name: string): Promise<Database> {
  const client = new pg.Client({ connectionString: server!.url });
  await client.connect();
  await client.query(`CREATE DATABASE "${name}"`);
  await client.end();
  const url = new URL(server!.url);
  url.pathname = `/${name}`;
  return openDatabase({ kind: "postgresql", url: url.href });
}

test.each(EARLIER)(
  "a PostgreSQL of a hub whose newest migration was %s",
  async (_, count) => {
    if (server === undefined) throw new Error("PostgreSQL is not installed: apt-get install postgresql");
    const database = await onServer(`earlier_${count}`);
    try {
      await migratedFrom(database, count);
    } finally {
      await database.close();
    }
  },
  60_000,
);

test("of replicas that start at once each migration is applied by one", async () => {
  if (server === undefined) throw new Error("PostgreSQL is not installed: apt-get install postgresql");
  const first = await onServer("at_once");
  const [{ name }] = await first.prisma.$queryRaw<[{ name: string }]>`SELECT current_database() AS name`;
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  const others = await Promise.all([1, 2, 3].map(() => openDatabase({ kind: "postgresql", url: url.href })));
  const replicas = [first, ...others];
  try {
    await Promise.all(replicas.map((replica) => migrate(replica)));
    const applied = await first.prisma.$queryRaw<{ name: string }[]>`
      SELECT migration_name AS name FROM _prisma_migrations ORDER BY 1`;
    expect(applied.map((row) => row.name)).toEqual(names);
  } finally {
    for (const replica of replicas) await replica.close();
  }
}, 60_000);
