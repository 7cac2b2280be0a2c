import { hash } from "node:crypto";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOfHex, EMPTY_REVISION, revisionContent } from "@modulehub/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Database, openDatabase } from "../database/client.ts";
import { migrate } from "../database/migrate.ts";

const MIGRATIONS = join(import.meta.dirname, "../../../../migrations");
const DOCUMENTATION = "20261123211000_documentation";

let database: Database;
let folder: string;
beforeEach(async () => {
  database = await openDatabase({ kind: "memory" });
  folder = await mkdtemp(join(tmpdir(), "modulehub-revisions-"));
}, 30_000);
afterEach(async () => {
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

const copy = (name: string) => cp(join(MIGRATIONS, name), join(folder, name), { recursive: true });
const digest = (digit: string) => digestOfHex(digit.repeat(64));

test("versions of before have their documentation apart, their blobs kept, and the revisions that core gives", async () => {
  const names = (await readdir(MIGRATIONS)).sort();
  for (const name of names.filter((each) => each < DOCUMENTATION)) await copy(name);
  await migrate(database, folder);
  const files = [
    { path: "README.md", size: 5, digest: digest("1"), role: "doc" },
    { path: 'images/"é\u{10000}.png', size: 9, digest: digest("2"), role: "doc" },
    { path: "model.onnx", size: 7, digest: digest("1"), role: "graph" },
    { path: "module.json", size: 2, digest: digest("3"), role: "asset" },
  ];
  const { prisma } = database;
  await database.script(`
    INSERT INTO publisher (id, display_name) VALUES ('acme', 'Acme');
    INSERT INTO module (id, publisher_id, name, lower_name, hf_name, oci_name, visibility)
      VALUES (1, 'acme', 'acme/Words', 'acme/words', 'acme/words', 'acme/words', 'public');
    INSERT INTO version (id, module_id, number, digest, manifest, report, batching)
      SELECT id, 1, id, 'd', '{}', '{}', '{}' FROM generate_series(1, 2) AS id;
    INSERT INTO blob (id, digest, size, state, storage_key)
      SELECT n, 'sha256:' || repeat(n::text, 64), 1, 'stored', n::text FROM generate_series(1, 3) AS n;
    INSERT INTO blob_reference SELECT b.id, 'version', v.id::text, 'acme' FROM blob b, version v;`);
  for (const { path, size, digest, role } of files)
    await prisma.$executeRaw`
      INSERT INTO version_file SELECT v.id, ${path}, ${size}, ${digest}, ${role} FROM version v`;
  await copy(DOCUMENTATION);
  await migrate(database, folder);

  expect((await prisma.versionFile.findMany({ where: { versionId: 1 } })).map(({ path }) => path)).toEqual([
    "model.onnx",
    "module.json",
  ]);
  const moved = await prisma.documentationFile.findMany({ where: { versionId: 1, revision: 1 } });
  expect(moved.map(({ path }) => path)).toEqual(files.slice(0, 2).map(({ path }) => path));
  const references = await prisma.blobReference.findMany({
    where: { holderId: "1" },
    orderBy: [{ holderKind: "asc" }, { blobId: "asc" }],
  });
  // Bytes that are a graph's and a README's are kept for both.
  expect(references.map(({ holderKind, blobId }) => `${holderKind} ${blobId}`)).toEqual([
    "documentation 1",
    "documentation 2",
    "version 1",
    "version 3",
  ]);
  const revisionOf = (parent: string) => hash("sha256", revisionContent(parent, files)).slice(0, 40);
  const first = revisionOf(EMPTY_REVISION);
  expect(await prisma.$queryRaw`SELECT version_id, parent, revision FROM revision ORDER BY id`).toEqual([
    { version_id: 1, parent: EMPTY_REVISION, revision: first },
    { version_id: 2, parent: first, revision: revisionOf(first) },
  ]);
  expect(await prisma.moduleName.findMany()).toMatchObject([{ lowerName: "acme/words", name: "acme/Words" }]);
});
