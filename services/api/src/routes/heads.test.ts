import { hash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { EMPTY_REVISION } from "@modulehub/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { accepted } from "../testing/fake-worker.ts";
import {
  type Answer,
  ask,
  digestOf,
  MANIFEST,
  publish,
  settled,
  startTestHub,
  type TestHub,
  uploadBytes,
} from "../testing/test-hub.ts";

/** Heads are published when they are asked for only, but where a test wants it otherwise. */
const NEVER = 3_600;

interface Head {
  module: string;
  revision: string;
  state: string;
  version?: number;
  base?: number;
  draft?: string;
  publishAt?: string;
  problems?: { code: string; detail?: string }[];
  fileCount: number;
  files: { path: string; size: number; digest: string }[];
  next?: string;
  code?: string;
  detail?: string;
  errors?: { path: string; message: string }[];
}

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub({ headQuiet: NEVER });
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  await ask(hub, "POST", "/v1/publishers", { id: "other" });
}, 60_000);
afterAll(() => hub.close());

let modules = 0;
const newName = () => `acme/head-${modules++}`;
const at = (module: string, rest = "") => `/v1/modules/${module}/head${rest}`;
const put = (path: string, content: string) => ({
  kind: "put",
  path,
  size: Buffer.byteLength(content),
  digest: digestOf(content),
});
const readHead = async (module: string) => (await ask<Head>(hub, "GET", at(module))).body;

/** Uploads the contents, and commits them with other operations on top of the head. */
async function commit(
  module: string,
  files: Record<string, string>,
  options: { parent?: string; operations?: unknown[]; message?: string } = {},
): Promise<Answer<Head>> {
  for (const content of Object.values(files)) await uploadBytes(hub, "acme", Buffer.from(content));
  const now = await ask<Head>(hub, "GET", at(module));
  const parent = options.parent ?? (now.status === 404 ? EMPTY_REVISION : now.body.revision);
  const operations = [
    ...(options.operations ?? []),
    ...Object.entries(files).map(([path, content]) => put(path, content)),
  ];
  const { message } = options;
  return ask<Head>(hub, "POST", at(module, "/commits"), { parent, operations, message });
}

const MODULE = { "module.json": MANIFEST, "model.onnx": "graph" };

/** Publishes the head now and waits for its draft. */
async function publishHead(module: string, body: object = {}) {
  const asked = await ask<Head>(hub, "POST", at(module, "/publish"), body);
  if (asked.body.draft !== undefined) return { asked, draft: await settled(hub, asked.body.draft) };
  return { asked, draft: undefined };
}

/** By the contract: the first 40 digits of sha256 over RFC 8785 of {parent, all files}. */
function revisionOf(parent: string, files: Record<string, string>): string {
  const list = Object.keys(files)
    .sort()
    .map((path) => `{"digest":"${digestOf(files[path]!)}","path":"${path}","size":${files[path]!.length}}`);
  return hash("sha256", `{"files":[${list.join(",")}],"parent":"${parent}"}`).slice(0, 40);
}

describe("commits", () => {
  test("a repo that starts with a README is a module without versions, with a head at its first commit", async () => {
    const module = newName();
    const made = await ask<Head>(hub, "POST", at(module, "/commits"), {
      parent: EMPTY_REVISION,
      operations: [],
    });
    expect(made).toMatchObject({ status: 200, body: { revision: EMPTY_REVISION, state: "empty" } });
    const first = await commit(module, { "README.md": "# Words" }, { message: "Begin" });
    const revision = revisionOf(EMPTY_REVISION, { "README.md": "# Words" });
    expect(first).toMatchObject({ status: 201, body: { revision, state: "incomplete", fileCount: 1 } });
    expect((await ask(hub, "GET", `/v1/modules/${module}`)).body).toMatchObject({ visibility: "private" });
    expect((await ask(hub, "GET", `/v1/modules/${module}/versions/latest`)).status).toBe(404);
    expect(await ask(hub, "GET", at(module, "/commits"))).toMatchObject({
      body: { items: [{ revision, parent: EMPTY_REVISION, author: "admin", message: "Begin" }] },
    });
  });

  test("operations are done one after the other, and a file is read back", async () => {
    const module = newName();
    await commit(module, { "a/1.txt": "one", "a/2.txt": "two", "b.txt": "b", "c.txt": "c" });
    const { body } = await commit(
      module,
      { "a/3.txt": "three" },
      {
        operations: [
          { kind: "delete-folder", path: "a" },
          { kind: "move", from: "b.txt", to: "d/b.txt" },
          { kind: "delete", path: "c.txt" },
        ],
      },
    );
    expect(body.files.map(({ path }) => path)).toEqual(["a/3.txt", "d/b.txt"]);
    const file = await fetch(`${hub.url}${at(module, "/files/d/b.txt")}`, { headers: hub.admin });
    expect(await file.text()).toBe("b");
    expect(file.headers.get("cache-control")).toBe("private, no-store");
    expect((await ask(hub, "GET", at(module, "/files/b.txt"))).status).toBe(404);
  });

  test("of a hundred commits at once on one parent one wins, and the others hear where the head is", async () => {
    const module = newName();
    const { revision: parent } = (await commit(module, { "a.txt": "a" })).body;
    const contents = Array.from({ length: 100 }, (_, index) => `content ${index}`);
    for (const content of contents) await uploadBytes(hub, "acme", Buffer.from(content));
    const answers = await Promise.all(
      contents.map((content) =>
        ask<Head>(hub, "POST", at(module, "/commits"), { parent, operations: [put("a.txt", content)] }),
      ),
    );
    const won = answers.filter(({ status }) => status === 201);
    expect(won).toHaveLength(1);
    const lost = answers.filter(({ status }) => status !== 201);
    for (const { status, body } of lost) {
      expect([status, body.code]).toEqual([409, "head-conflict"]);
      expect(body.errors).toEqual([{ path: "parent", message: won[0]!.body.revision }]);
    }
    expect((await readHead(module)).revision).toBe(won[0]!.body.revision);
  }, 60_000);

  test("the last commit sent again is the same one; without a change there is none", async () => {
    const module = newName();
    const first = await commit(module, { "a.txt": "a" }, { message: "A" });
    const again = await commit(module, { "a.txt": "a" }, { message: "A", parent: EMPTY_REVISION });
    expect(again).toMatchObject({ status: 200, body: { revision: first.body.revision } });
    const other = await commit(module, { "a.txt": "a" }, { message: "B", parent: EMPTY_REVISION });
    expect(other).toMatchObject({ status: 409, body: { code: "head-conflict" } });
    expect(await commit(module, { "a.txt": "a" })).toMatchObject({
      status: 200,
      body: { revision: first.body.revision },
    });
  });

  test("a commit of 10,000 files is whole, and its files are listed in pages of one state", async () => {
    const module = newName();
    await uploadBytes(hub, "acme", Buffer.from("x"));
    const operations = Array.from({ length: 10_000 }, (_, index) => put(`d/${index}.txt`, "x"));
    const made = await ask<Head>(hub, "POST", at(module, "/commits"), { parent: EMPTY_REVISION, operations });
    expect(made).toMatchObject({ status: 201, body: { fileCount: 10_000 } });
    const paths = made.body.files.map(({ path }) => path);
    expect(paths).toHaveLength(1_000);
    let next = made.body.next;
    while (next !== undefined) {
      const page = await ask<Head>(hub, "GET", at(module, `?cursor=${next}`));
      paths.push(...page.body.files.map(({ path }) => path));
      next = page.body.next;
    }
    expect(new Set(paths).size).toBe(10_000);
    const parent = made.body.revision;
    const more = await ask<Head>(hub, "POST", at(module, "/commits"), {
      parent,
      operations: [put("one-more.txt", "x")],
    });
    expect(more).toMatchObject({ status: 400, body: { code: "invalid-request" } });
    await ask(hub, "POST", at(module, "/commits"), {
      parent,
      operations: [{ kind: "delete", path: "d/1.txt" }],
    });
    expect(await ask(hub, "GET", at(module, `?cursor=${made.body.next}`))).toMatchObject({
      status: 409,
      body: { code: "head-conflict" },
    });
  }, 60_000);
});

describe("a commit that is refused changes nothing", () => {
  test.each([
    ["a path that leaves the module", [put("../a", "x")]],
    ["two paths that differ by case", [put("A.txt", "x"), put("a.TXT", "x")]],
    ["a path that differs from one that is there by case", [put("B.TXT", "x")]],
    ["a file below a file", [put("b.txt/c", "x")]],
    ["a file to delete that is not there", [{ kind: "delete", path: "none" }]],
    ["a folder to delete that is not there", [{ kind: "delete-folder", path: "b" }]],
    ["a file to move that is not there", [{ kind: "move", from: "none", to: "some" }]],
    ["a move onto a file", [put("c.txt", "x"), { kind: "move", from: "c.txt", to: "b.txt" }]],
    [
      "a second operation that can't be done",
      [
        { kind: "delete", path: "b.txt" },
        { kind: "delete", path: "b.txt" },
      ],
    ],
    ["an unknown operation", [{ kind: "chmod", path: "b.txt" }]],
  ])("%s", async (_, operations) => {
    const module = newName();
    await uploadBytes(hub, "acme", Buffer.from("x"));
    const { revision } = (await commit(module, { "b.txt": "x" })).body;
    const refused = await ask<Head>(hub, "POST", at(module, "/commits"), { parent: revision, operations });
    expect(refused).toMatchObject({ status: 400, body: { code: "invalid-request" } });
    expect(refused.body.errors![0]!.path).toMatch(/^operations(\[\d+\]|\.\d+)/);
    expect(await readHead(module)).toMatchObject({ revision, fileCount: 1 });
  });

  test("bytes that are missing are all named, another publisher's private ones among them", async () => {
    const module = newName();
    const secret = "known to the other only";
    await uploadBytes(hub, "other", Buffer.from(secret));
    const missing = Array.from({ length: 30 }, (_, index) => put(`${index}.txt`, `missing ${index}`));
    const refused = await ask<Head>(hub, "POST", at(module, "/commits"), {
      parent: EMPTY_REVISION,
      operations: [...missing, put("secret.txt", secret)],
    });
    expect(refused).toMatchObject({ status: 409, body: { code: "blobs-missing" } });
    expect(refused.body.errors).toHaveLength(31);
    expect(refused.body.errors).toContainEqual({
      path: "secret.txt",
      message: `${digestOf(secret)} is missing`,
    });
    expect((await ask(hub, "GET", at(module))).status).toBe(404);
    const wrongSize = { ...put("a.txt", "x"), size: 7 };
    await uploadBytes(hub, "acme", Buffer.from("x"));
    expect(
      await ask(hub, "POST", at(module, "/commits"), { parent: EMPTY_REVISION, operations: [wrongSize] }),
    ).toMatchObject({ status: 422, body: { code: "size-mismatch" } });
  });

  test("a parent that is old, or none", async () => {
    const module = newName();
    const { revision } = (await commit(module, { "a.txt": "a" })).body;
    await commit(module, { "a.txt": "b" });
    for (const parent of [revision, EMPTY_REVISION, "f".repeat(40)])
      expect(await commit(module, { "c.txt": "c" }, { parent })).toMatchObject({
        status: 409,
        body: { code: "head-conflict" },
      });
  });
});

describe("publishing", () => {
  test("a head becomes a version, and the commit's revision is that version's", async () => {
    const module = newName();
    const committed = await commit(module, { ...MODULE, "README.md": "# One" });
    const { revision } = committed.body;
    expect(committed.body).toMatchObject({ state: "waiting" });
    const { asked, draft } = await publishHead(module);
    expect(asked).toMatchObject({ status: 202, body: { state: "verifying" } });
    expect(draft).toMatchObject({ state: "published", version: 1, revision });
    expect(await readHead(module)).toMatchObject({ state: "published", version: 1, revision });
    expect((await ask(hub, "GET", `/v1/modules/${module}/versions/1`)).body).toMatchObject({ revision });
    expect((await ask(hub, "GET", `/v1/modules/${module}/commits/${revision}`)).body).toMatchObject({
      version: 1,
      documentation: 1,
    });
    expect(await ask(hub, "POST", at(module, "/publish"), {})).toMatchObject({
      status: 200,
      body: { state: "published", version: 1 },
    });
  });

  test("a commit of documentation edits that of the version, at once and under its own revision", async () => {
    const module = newName();
    await commit(module, { ...MODULE, "README.md": "# One" });
    await publishHead(module);
    const before = await readHead(module);
    const edited = await commit(
      module,
      { "README.md": "---\ntitle: Words\n---\n# Two" },
      { message: "Title" },
    );
    const revision = revisionOf(before.revision, {
      ...MODULE,
      "README.md": "---\ntitle: Words\n---\n# Two",
    });
    expect(edited).toMatchObject({ status: 201, body: { revision, state: "published", version: 1 } });
    const documentation = await ask(hub, "GET", `/v1/modules/${module}/versions/1/documentation`);
    expect(documentation.body).toMatchObject({ revision: 2, message: "Title", card: { title: "Words" } });
    expect((await ask(hub, "GET", `/v1/modules/${module}/commits/${revision}`)).body).toMatchObject({
      version: 1,
      documentation: 2,
    });
    expect((await ask(hub, "GET", `/v1/modules/${module}/versions`)).body).toMatchObject({
      items: [{ version: 1 }],
    });
    const gone = await commit(module, {}, { operations: [{ kind: "delete", path: "README.md" }] });
    expect(gone).toMatchObject({ status: 201, body: { state: "published", fileCount: 2 } });
  });

  test("a graph's commit with its README is one version; a change taken back makes none", async () => {
    const module = newName();
    await commit(module, { ...MODULE, "README.md": "# One" });
    await publishHead(module);
    await commit(module, { "model.onnx": "other graph" });
    expect(await readHead(module)).toMatchObject({ state: "waiting", base: 1 });
    const { revision } = (await commit(module, { "model.onnx": "graph", "README.md": "# Two" })).body;
    const { asked } = await publishHead(module);
    expect(asked).toMatchObject({ status: 200, body: { state: "published", version: 1 } });
    expect((await ask(hub, "GET", `/v1/modules/${module}/commits/${revision}`)).body).toMatchObject({
      version: 1,
      documentation: 2,
    });
    // The commit names the head still, though the head has a revision of its own with what is published.
    expect(await commit(module, { "README.md": "# Three" }, { parent: revision })).toMatchObject({
      status: 201,
    });
  });

  test("a module.json that is committed after a derived one is a new version", async () => {
    const module = newName();
    await publish(hub, module, MODULE, { derived: true });
    // The derived one is still the version's own.
    await commit(module, { "model.onnx": "other graph" });
    await commit(module, { "model.onnx": "graph" });
    expect(await publishHead(module)).toMatchObject({
      asked: { status: 200, body: { state: "published", version: 1 } },
    });
    const corrected = JSON.stringify({ ...JSON.parse(MANIFEST), examples: [] });
    await commit(module, { "module.json": corrected });
    const { asked, draft } = await publishHead(module);
    expect(asked).toMatchObject({ status: 202, body: { state: "verifying" } });
    expect(draft).toMatchObject({ state: "published", version: 2 });
    const { files } = await readHead(module);
    expect(files).toContainEqual(expect.objectContaining({ digest: digestOf(corrected) }));
    expect((await ask(hub, "GET", `/v1/modules/${module}/versions/2`)).body).toMatchObject({
      manifest: JSON.parse(corrected),
    });
  });

  test("a refusal is shown, leaves the head, and is tried again only when it changes or is asked for", async () => {
    const module = newName();
    const refusal = { type: "x", title: "x", status: 422, code: "graph-invalid" as const };
    const { revision } = (await commit(module, { ...MODULE, "model.onnx": "broken" })).body;
    hub.worker.behaviour.inspect = () => ({ outcome: "rejected", problems: [refusal] });
    const { draft } = await publishHead(module);
    expect(draft).toMatchObject({ state: "rejected" });
    expect(await readHead(module)).toMatchObject({
      revision,
      state: "rejected",
      problems: [{ code: "graph-invalid" }],
      fileCount: 2,
    });
    hub.worker.behaviour.inspect = accepted;
    const again = await publishHead(module);
    expect(again.draft).toMatchObject({ state: "published", version: 1 });
    expect(again.draft!.id).not.toBe(draft!.id);
  });

  test("a commit that comes while a draft is verified goes on from the version that it becomes", async () => {
    const module = newName();
    const first = (await commit(module, { ...MODULE, "model.onnx": "first" })).body.revision;
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    hub.worker.behaviour.inspect = async () => {
      await held;
      return accepted();
    };
    const asked = await ask<Head>(hub, "POST", at(module, "/publish"), {});
    const second = (await commit(module, { "model.onnx": "second" })).body;
    expect(second).toMatchObject({ state: "waiting" });
    release();
    expect(await settled(hub, asked.body.draft!)).toMatchObject({ state: "published", version: 1 });
    hub.worker.behaviour.inspect = accepted;
    expect(await readHead(module)).toMatchObject({ revision: second.revision, state: "waiting", base: 1 });
    expect((await ask(hub, "GET", `/v1/modules/${module}/commits/${first}`)).body).toMatchObject({
      version: 1,
    });
    expect((await ask(hub, "GET", `/v1/modules/${module}/commits/${second.revision}`)).status).toBe(404);
    expect((await publishHead(module)).draft).toMatchObject({ version: 2 });
    expect((await ask(hub, "GET", at(module, "/commits"))).body).toMatchObject({
      items: [
        { revision: second.revision, version: 2 },
        { revision: first, version: 1 },
      ],
    });
  });

  test("a draft that is verified takes a number and aliases that are asked for meanwhile", async () => {
    const module = newName();
    await commit(module, MODULE);
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    hub.worker.behaviour.inspect = async () => {
      await held;
      return accepted();
    };
    const asked = await ask<Head>(hub, "POST", at(module, "/publish"), {});
    const tagged = await ask<Head>(hub, "POST", at(module, "/publish"), { version: 7, aliases: ["stable"] });
    expect(tagged.body.draft).toBe(asked.body.draft);
    expect(await ask(hub, "POST", at(module, "/publish"), { version: 8 })).toMatchObject({
      status: 409,
      body: { code: "draft-state" },
    });
    release();
    expect(await settled(hub, asked.body.draft!)).toMatchObject({ state: "published", version: 7 });
    hub.worker.behaviour.inspect = accepted;
    expect((await ask(hub, "GET", `/v1/modules/${module}/aliases`)).body).toMatchObject({
      items: [{ alias: "stable", version: 7 }],
    });
    await ask(hub, "POST", at(module, "/publish"), { aliases: ["prod"] });
    expect((await ask(hub, "GET", `/v1/modules/${module}/aliases`)).body).toMatchObject({
      items: [
        { alias: "prod", version: 7 },
        { alias: "stable", version: 7 },
      ],
    });
    expect((await publishHead(module, { version: 9 })).draft).toMatchObject({ version: 9 });
  });

  test("a head without module.json says what to do", async () => {
    const module = newName();
    await commit(module, { "config.json": "{}" });
    expect(await ask(hub, "POST", at(module, "/publish"), {})).toMatchObject({
      status: 422,
      body: { code: "manifest-missing" },
    });
  });
});

describe("what else happens to a module", () => {
  test("a head without commits follows what is published, yanked, and deleted", async () => {
    const module = newName();
    const files = (seed: string) => ({ ...MODULE, "model.onnx": seed });
    await publish(hub, module, files("1"));
    await publish(hub, module, files("2"));
    expect(await readHead(module)).toMatchObject({ state: "published", version: 2 });
    await ask(hub, "POST", `/v1/modules/${module}/versions/2/yank`, { reason: "wrong" });
    expect(await readHead(module)).toMatchObject({ version: 1 });
    await ask(hub, "POST", `/v1/modules/${module}/versions/1/yank`, { reason: "wrong too" });
    expect(await readHead(module)).toMatchObject({ version: 2 });
    await ask(hub, "DELETE", `/v1/modules/${module}/versions/2`);
    await ask(hub, "DELETE", `/v1/modules/${module}/versions/1`);
    expect(await readHead(module)).toMatchObject({ state: "empty", revision: EMPTY_REVISION });
    // The same files again are the same revision, of another version.
    await commit(module, files("1"));
    expect((await publishHead(module)).draft).toMatchObject({ state: "published", version: 3 });
  });

  test("a head with commits stays as it is when a version is published beside it, and becomes the next one", async () => {
    const module = newName();
    await publish(hub, module, { ...MODULE, "model.onnx": "1" });
    const { revision } = (await commit(module, { "model.onnx": "mine" })).body;
    await publish(hub, module, { ...MODULE, "model.onnx": "2" });
    expect(await readHead(module)).toMatchObject({ revision, state: "waiting", base: 1 });
    expect((await publishHead(module)).draft).toMatchObject({ version: 3 });
    const file = await ask<string>(hub, "GET", `/v1/modules/${module}/versions/3`);
    expect(file.body).toMatchObject({
      revision,
      files: expect.arrayContaining([
        expect.objectContaining({ path: "model.onnx", digest: digestOf("mine") }),
      ]),
    });
  });

  test("commits that were thrown away can be made again", async () => {
    const module = newName();
    await publish(hub, module, { ...MODULE, "model.onnx": "1" });
    const made = await commit(module, { "model.onnx": "2" });
    const discarded = await ask<Head>(hub, "DELETE", at(module));
    expect(discarded).toMatchObject({ status: 200, body: { state: "published", version: 1 } });
    const again = await commit(module, { "model.onnx": "2" });
    expect(again).toMatchObject({ status: 201, body: { revision: made.body.revision } });
  });

  test("a head goes with its module to another name, and to another publisher with its bytes", async () => {
    const module = newName();
    const { revision } = (await commit(module, { ...MODULE, "model.onnx": "moving" })).body;
    const to = module.replace("acme", "other");
    await ask(hub, "PUT", `/v1/modules/${module}`, { module: to });
    expect(await readHead(to)).toMatchObject({ revision, state: "waiting" });
    const blob = await hub.deps.database.prisma.blob.findFirstOrThrow({
      where: { digest: digestOf("moving") },
      include: { references: { where: { holderKind: "head" } } },
    });
    expect(blob.references).toMatchObject([{ publisherId: "other" }]);
    expect((await publishHead(to)).draft).toMatchObject({ state: "published", version: 1 });
    await commit(to, { "model.onnx": "more" });
    await ask(hub, "DELETE", `/v1/modules/${to}`);
    expect(await hub.deps.database.prisma.blobReference.count({ where: { holderKind: "head" } })).toBe(
      await hub.deps.database.prisma.$queryRaw<{ n: number }[]>`
        SELECT count(*)::int AS n FROM blob_reference r JOIN module m ON m.id = r.holder_id::int
        WHERE r.holder_kind = 'head'`.then(([row]) => row!.n),
    );
  });

  test("only writers see a head", async () => {
    const module = newName();
    await commit(module, MODULE);
    const reader = await hub.tokenOf("reader", "acme");
    const stranger = await hub.tokenOf("none", "acme");
    expect((await ask(hub, "GET", at(module), undefined, reader)).status).toBe(403);
    expect((await ask(hub, "GET", at(module), undefined, stranger)).status).toBe(404);
    expect((await ask(hub, "GET", at(module), undefined, {})).status).toBe(401);
  });
});

test("a head that is left alone is published by itself, after a restart too", async () => {
  const own = await startTestHub({ headQuiet: 1 });
  try {
    const quiet = async (name: string, restart: boolean) => {
      const contents = { ...MODULE, "model.onnx": name };
      for (const content of Object.values(contents)) await uploadBytes(own, "acme", Buffer.from(content));
      const operations = Object.entries(contents).map(([path, content]) => put(path, content));
      const made = await ask<Head>(own, "POST", at(name, "/commits"), { parent: EMPTY_REVISION, operations });
      expect(made.body.state).toBe("waiting");
      if (restart) await own.restart();
      for (let tries = 0; tries < 400; tries++) {
        const { body } = await ask<Head>(own, "GET", at(name));
        if (body.state !== "waiting" && body.state !== "verifying") return body;
        await sleep(50);
      }
      throw new Error("the head was not published within twenty seconds");
    };
    await ask(own, "POST", "/v1/publishers", { id: "acme" });
    expect(await quiet("acme/quiet", false)).toMatchObject({ state: "published", version: 1 });
    expect(await quiet("acme/restarted", true)).toMatchObject({ state: "published", version: 1 });
    await uploadBytes(own, "acme", Buffer.from("bare"));
    const bare = await ask<Head>(own, "POST", at("acme/bare", "/commits"), {
      parent: EMPTY_REVISION,
      operations: [put("model.onnx", "bare")],
    });
    expect(bare.body.state).toBe("waiting");
    const shown = async () => (await ask<Head>(own, "GET", at("acme/bare"))).body;
    for (let tries = 0; tries < 400 && (await shown()).state === "waiting"; tries++) await sleep(50);
    expect(await shown()).toMatchObject({ state: "rejected", problems: [{ code: "manifest-missing" }] });
  } finally {
    await own.close();
  }
}, 90_000);
