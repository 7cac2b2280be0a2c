import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FINDINGS } from "../../services/api/src/consistency/finding.ts";
import { type Database, openDatabase } from "../../services/api/src/database/client.ts";
import { type PostgresqlServer, startPostgresql } from "../../services/api/src/testing/postgresql-server.ts";
import { rowsOf } from "../../services/api/src/testing/rows-of.ts";
import { isBuilt, S3_SERVERS, type S3Server, startS3 } from "../../services/api/src/testing/s3-servers.ts";
import { call, cleanUp, temporaryFolder } from "../e2e/hub.ts";
import { publishFiles } from "../e2e/publish-files.ts";
import { randomFrom } from "../faults/random.ts";
import { sha256 } from "../faults/record.ts";
import { goodModule } from "../fixtures/hostile-modules.ts";
import { installed, nodeOf, packed } from "./installed-package.ts";
import { PackedHub, plainEnvironment, type Ran } from "./packed-hub.ts";

/** What an operator does to a hub with the packed command: looks for differences, and moves it to the real parts. */

/** Printed, so that a failure can be had again. */
const SEED = Number(process.env.MODULEHUB_FAULT_SEED ?? Date.now() % 2 ** 31);
const MODULES = 5;

let folder: string;
let data: string;
let env: Record<string, string>;
const contents = new Map<string, Uint8Array>();
let openUpload: string;

beforeAll(async () => {
  folder = installed(await packed("packages/cli"));
  env = plainEnvironment(folder, nodeOf(22));
  const hub = await PackedHub.start(
    folder,
    { ...env, MODULEHUB_UPLOAD_PART_SIZE: "5242880" },
    "--no-examples",
  );
  data = join(folder, "hub-data");
  for (let n = 1; n <= MODULES; n++) {
    const asset = randomBytes(n * 3_000_000);
    const files = { ...goodModule(), "README.md": Buffer.from(`# Ünïcode ${n}`), "data/asset.bin": asset };
    expect(await publishFiles(hub, "acme/moved", files)).toMatchObject({ state: "published", version: n });
    contents.set(`acme/moved/${n}`, asset);
  }
  expect((await call(hub, "DELETE", "/v1/modules/acme/moved/versions/2")).status).toBe(204);
  contents.delete("acme/moved/2");
  const opened = await call(hub, "POST", "/v1/uploads", { publisher: "acme", size: 12_000_000 });
  openUpload = ((await opened.json()) as { id: string }).id;
  const part = await call(hub, "PUT", `/v1/uploads/${openUpload}/parts/2`, randomBytes(5_242_880));
  expect(part.status).toBe(200);
  expect(await hub.stop()).toBe(0);
});
afterAll(cleanUp);

/** Runs the command; after so many milliseconds, if told, it and all below it are killed. */
function modulehub(args: string[], more: Record<string, string> = {}, killAfter?: number): Promise<Ran> {
  const child: ChildProcess = spawn("modulehub", args, {
    cwd: folder,
    env: { ...env, ...more },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let [stdout, stderr] = ["", ""];
  child.stdout!.on("data", (chunk) => (stdout += chunk));
  child.stderr!.on("data", (chunk) => (stderr += chunk));
  const kill = () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, "SIGKILL");
  };
  const timer = killAfter === undefined ? undefined : setTimeout(kill, killAfter);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr });
    });
  });
}

/** A copy of the stopped hub's folder, and its database, opened for a moment. */
function copyOfData(): string {
  const copy = join(temporaryFolder(), "data");
  cpSync(data, copy, { recursive: true });
  return copy;
}
async function inDatabase<T>(of: string, work: (database: Database) => Promise<T>): Promise<T> {
  const database = await openDatabase({ kind: "folder", path: join(of, "database") });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

interface Found {
  findings: { kind: string; severity: string; subject: string; explanation: string }[];
  repaired: { kind: string }[];
}
const fsck = async (of: string, ...args: string[]): Promise<{ code: number | null } & Found> => {
  const { code, stdout, stderr } = await modulehub(["fsck", "--json", "--data", of, ...args]);
  if (!stdout.startsWith("{")) throw new Error(`fsck ended with ${code}: ${stderr}`);
  return { code, ...(JSON.parse(stdout) as Found) };
};
const kindsOf = (found: { kind: string }[]) => [...new Set(found.map(({ kind }) => kind))].sort();

test("fsck tells every difference, mends what is safe, and its exit code says how bad it is", async () => {
  const copy = copyOfData();
  expect(await fsck(copy, "--deep")).toEqual({ code: 0, findings: [], repaired: [] });
  const seen = new Set<string>();
  const run = (...statements: string[]) =>
    inDatabase(copy, async ({ prisma }) => {
      for (const statement of statements) await prisma.$executeRawUnsafe(statement);
    });
  const asset = contents.get("acme/moved/1")!;
  const [key, other] = await inDatabase(copy, async ({ prisma }) => {
    const keyOf = async (bytes: Uint8Array) =>
      (await prisma.blob.findFirstOrThrow({ where: { digest: sha256(bytes) } })).storageKey;
    return [await keyOf(asset), await keyOf(contents.get("acme/moved/3")!)];
  });
  const pathOf = (storageKey: string) => join(copy, "blobs", storageKey.slice(0, 2), storageKey);

  // Faults: mended.
  await run(
    `DELETE FROM blob_reference WHERE holder_kind = 'version' AND blob_id = (SELECT id FROM blob WHERE storage_key = '${other}')`,
    `UPDATE blob SET state = 'deleting' WHERE storage_key = '${key}'`,
    "INSERT INTO blob_reference SELECT min(id), 'draft', 'gone', 'acme' FROM blob",
    "UPDATE module SET next_version = 2",
    "DELETE FROM listing",
  );
  const faulty = await fsck(copy);
  expect(faulty).toMatchObject({ code: 1, repaired: [] });
  const faults = [
    ...["bytes-being-deleted", "module-not-listed", "number-would-be-reused"],
    ...["reference-to-nothing", "version-lacks-reference"],
  ];
  expect(kindsOf(faulty.findings.filter(({ severity }) => severity === "fault"))).toEqual(faults);
  for (const { explanation } of faulty.findings) expect(explanation).toMatch(/^[A-Z].*\.$/);
  const mended = await fsck(copy, "--repair");
  expect(mended).toMatchObject({ code: 0, findings: [] });
  expect(kindsOf(mended.repaired)).toEqual(expect.arrayContaining(faults));
  expect(await fsck(copy, "--deep")).toMatchObject({ code: 0, findings: [] });

  // Garbage: no fault, and taken away.
  const long = new Date(Date.now() - 48 * 3_600_000);
  mkdirSync(join(copy, "blobs/00"), { recursive: true });
  const strays = [join(copy, "blobs/00/0000-bytes-of-nobody"), join(copy, "uploads/0000-parts-of-nobody")];
  writeFileSync(strays[0]!, "stray");
  mkdirSync(strays[1]!);
  for (const stray of strays) utimesSync(stray, long, long);
  await run(
    "INSERT INTO blob (digest, size, state, storage_key, touched_at) VALUES " +
      `('${sha256(Buffer.from("old"))}', 3, 'stored', '0000-old', now() - interval '2 days'),` +
      `('${sha256(Buffer.from("half"))}', 4, 'deleting', '0000-half', now() - interval '2 days')`,
  );
  writeFileSync(join(copy, "blobs/00/0000-old"), "old");
  writeFileSync(join(copy, "blobs/00/0000-half"), "half");
  const garbage = ["blob-half-deleted", "blob-unreferenced", "bytes-without-row", "parts-without-upload"];
  const littered = await fsck(copy);
  expect([littered.code, kindsOf(littered.findings)]).toEqual([0, garbage]);
  expect(await fsck(copy, "--repair")).toMatchObject({ code: 0, findings: [] });
  for (const stray of [...strays, join(copy, "blobs/00/0000-old"), join(copy, "blobs/00/0000-half")])
    expect(existsSync(stray), stray).toBe(false);

  // Damage: told, left, and gone once the bytes are back.
  const damaged = async (expected: string, deep: boolean, damage: () => unknown, undo: () => unknown) => {
    await damage();
    for (const repair of [[], ["--repair"]]) {
      const { code, findings } = await fsck(copy, ...(deep ? ["--deep"] : []), ...repair);
      expect([code, kindsOf(findings)]).toEqual([4, [expected]]);
    }
    seen.add(expected);
    await undo();
  };
  const path = pathOf(key!);
  const restore = () => writeFileSync(path, asset);
  await damaged("bytes-lost", false, () => rmSync(path), restore);
  await damaged("bytes-short", true, () => writeFileSync(path, asset.subarray(1)), restore);
  await damaged("bytes-wrong", true, () => writeFileSync(path, randomBytes(asset.length)), restore);
  await damaged(
    "version-lacks-bytes",
    false,
    () =>
      run(
        `INSERT INTO version_file SELECT id, 'lost', 3, '${sha256(Buffer.from("no"))}', 'asset' FROM version WHERE number = 1`,
      ),
    () => run("DELETE FROM version_file WHERE path = 'lost'"),
  );
  expect(await fsck(copy, "--deep")).toMatchObject({ code: 0, findings: [] });
  for (const kind of [...faults, ...garbage]) seen.add(kind);
  expect([...seen].sort()).toEqual(Object.keys(FINDINGS).sort());

  const { stdout } = await modulehub(["fsck", "--data", copy]);
  expect(stdout).toBe("0 damaged, 0 at fault, 0 garbage, 0 repaired\n");
});

test("fsck that could not look says so by its own exit code, and never takes that for a loss", async () => {
  const nothing = await modulehub(["fsck", "--data", join(folder, "no-such-folder")]);
  expect(nothing).toMatchObject({ code: 2, stdout: "" });
  expect(nothing.stderr).toContain("is no hub's data folder");
  const hub = await PackedHub.start(folder, env, "--no-examples");
  const held = await modulehub(["fsck", "--data", data]);
  await hub.stop();
  expect(held).toMatchObject({ code: 2, stdout: "" });
  expect(held.stderr).toMatch(/in use by the hub with process id \d+/);
  const away = await modulehub(["fsck", "--data", data], {
    MODULEHUB_S3_BUCKET: "modulehub",
    MODULEHUB_S3_ENDPOINT: "http://127.0.0.1:9",
    MODULEHUB_S3_ACCESS_KEY_ID: "key",
    MODULEHUB_S3_SECRET_ACCESS_KEY: "secret",
  });
  expect(away).toMatchObject({ code: 2, stdout: "" });
  expect(away.stderr).toContain("can't be reached");
});

const [STORE] = S3_SERVERS.filter(isBuilt);
const LACKING = [
  ...(STORE === undefined ? ["an S3 server (node scripts/build-s3-servers.ts)"] : []),
  ...(existsSync("/usr/lib/postgresql") ? [] : ["PostgreSQL"]),
];
if (LACKING.length > 0)
  console.info(`Moving to the real parts is not tested: ${LACKING.join(", ")} is not here.`);

test.runIf(LACKING.length === 0)(
  `a move that is killed again and again ends as one that was not (seed ${SEED})`,
  async () => {
    const server: PostgresqlServer = (await startPostgresql())!;
    const s3: S3Server = await startS3(STORE!);
    const { endpoint, credentials } = s3.settings;
    const bucketOf = {
      MODULEHUB_S3_ENDPOINT: endpoint,
      MODULEHUB_S3_ACCESS_KEY_ID: credentials.accessKeyId,
      MODULEHUB_S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    };
    const emptyDatabase = async (name: string): Promise<string> => {
      const client = new pg.Client({ connectionString: server.url });
      await client.connect();
      await client.query(`CREATE DATABASE ${name}`);
      await client.end();
      return Object.assign(new URL(server.url), { pathname: `/${name}` }).href;
    };
    const move = (url: string, bucket: string, killAfter?: number) =>
      modulehub(
        ["migrate", "--json", "--from", data, "--to", url, "--store", `s3://${bucket}`],
        bucketOf,
        killAfter,
      );
    const rowsAt = async (url: string) => {
      const database = await openDatabase({ kind: "postgresql", url });
      try {
        return await rowsOf(database);
      } finally {
        await database.close();
      }
    };
    try {
      const before = await inDatabase(copyOfData(), rowsOf);
      const begun = performance.now();
      expect(await move(await emptyDatabase("unhurt"), "unhurt")).toMatchObject({
        code: 0,
        stderr: expect.stringContaining("blobs are there"),
      });
      const takes = performance.now() - begun;
      const random = randomFrom(SEED);
      const moments: string[] = [];
      let target = { url: "", bucket: "" };
      for (let round = 0; round < 3; round++) {
        target = { url: await emptyDatabase(`round_${round}`), bucket: `round-${round}` };
        let last: Ran | undefined;
        // Early, in the middle, and again while it goes on; then to its end.
        for (const share of [random.next(), random.next() * 0.9]) {
          last = await move(target.url, target.bucket, share * takes);
          moments.push(`${Math.round(share * takes)} ms${last.code === 0 ? " (too late)" : ""}`);
        }
        last = await move(target.url, target.bucket);
        expect(last, last.stderr).toMatchObject({ code: 0 });
        const after = await rowsAt(target.url);
        // Where the parts of an open upload are in the bucket has a name of its own there.
        const withoutHandles = (rows: Record<string, string[]>) => ({
          ...rows,
          upload: rows.upload!.map((row) => ({ ...JSON.parse(row), store_handle: null })),
        });
        expect(withoutHandles(after)).toEqual(withoutHandles(before));
        expect(after.upload!.some((row) => row.includes(openUpload))).toBe(true);
        const again = await move(target.url, target.bucket);
        expect([again.code, JSON.parse(again.stdout)]).toEqual([0, { movedBefore: true }]);
      }
      console.info(`A move takes ${Math.round(takes)} ms; killed after ${moments.join(", ")}.`);

      const there = {
        ...bucketOf,
        MODULEHUB_DATABASE_URL: target.url,
        MODULEHUB_S3_BUCKET: target.bucket,
        MODULEHUB_ADMIN_TOKEN: readFileSync(join(data, "admin-token"), "utf8").trim(),
      };
      const checked = await modulehub(["fsck", "--deep", "--json"], there);
      expect([checked.code, JSON.parse(checked.stdout)]).toEqual([0, { findings: [], repaired: [] }]);
      // Nothing of the source has changed.
      expect(await inDatabase(copyOfData(), rowsOf)).toEqual(before);
      const other = join(temporaryFolder(), "elsewhere");
      const used = await modulehub(["migrate", "--from", data, "--to", target.url, "--store", other]);
      expect(used.code).toBe(0);
      const foreign = await emptyDatabase("other_hub");
      const database = await openDatabase({ kind: "postgresql", url: foreign });
      await database.script("CREATE TABLE publisher (id text)");
      await database.close();
      expect((await modulehub(["migrate", "--from", data, "--to", foreign])).code).toBe(2);

      const hub = await PackedHub.start(temporaryFolder(), { ...env, ...there }, "--no-examples");
      try {
        for (const [handle, bytes] of contents) {
          const [, number] = /(\d+)$/.exec(handle)!;
          const path = `/v1/modules/acme/moved/versions/${number}/files/data/asset.bin`;
          const answer = await call({ url: hub.url, token: there.MODULEHUB_ADMIN_TOKEN }, "GET", path);
          expect(sha256(new Uint8Array(await answer.arrayBuffer()))).toBe(sha256(bytes));
        }
        const as = { url: hub.url, token: there.MODULEHUB_ADMIN_TOKEN };
        expect((await call(as, "GET", "/v1/modules/acme/moved/versions/2")).status).toBe(410);
        const upload = await call(as, "GET", `/v1/uploads/${openUpload}`);
        expect(await upload.json()).toMatchObject({ state: "open", received: [2] });
        const next = { ...goodModule(), "more.bin": randomBytes(10) };
        expect(await publishFiles(as, "acme/moved", next)).toMatchObject({ version: MODULES + 1 });
      } finally {
        await hub.stop();
      }
    } finally {
      await sleep(0);
      await s3.stop();
      await server.stop();
    }
  },
);
