import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  ask,
  digestOf,
  listOf,
  moduleFiles,
  publish,
  startTestHub,
  type TestHub,
  uploadBytes,
} from "../testing/test-hub.ts";

let hub: TestHub;
let module: string;
let count = 0;
beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  await ask(hub, "POST", "/v1/publishers", { id: "other" });
}, 60_000);
afterAll(() => hub.close());
beforeEach(async () => {
  module = `acme/m${++count}`;
  await publish(hub, module, files(), { visibility: "public" });
});

const files = () => ({ ...moduleFiles(module), "README.md": CARD, "images/a.svg": "<svg/>" });
const CARD = "---\ntitle: Before\nlicense: mit\n---\n\nFirst words.";

interface Documentation {
  revision: number;
  current: number;
  by?: string;
  card: { title?: string; license?: string };
  files: { path: string; digest: string; url: string }[];
}
const at = (path = "", version: number | string = 1) =>
  `/v1/modules/${module}/versions/${version}/documentation${path}`;
const read = (path = "") => ask<Documentation>(hub, "GET", at(path));
const edit = async (
  base: number,
  texts: Record<string, string>,
  more: Record<string, unknown> = {},
  headers = hub.admin as Record<string, string>,
) => {
  for (const text of Object.values(texts)) await uploadBytes(hub, "acme", Buffer.from(text));
  return ask<Documentation & { code: string }>(
    hub,
    "PUT",
    at(),
    { base, files: listOf(texts), ...more },
    headers,
  );
};
const bytes = async (path: string) => {
  const answer = await fetch(new URL(path, hub.url));
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
};

test("what was published is revision 1, and its card is read from README.md", async () => {
  const { body } = await read();
  expect(body).toMatchObject({
    revision: 1,
    current: 1,
    by: "admin",
    card: { title: "Before", license: "mit" },
  });
  expect(body.files.map(({ path }) => path)).toEqual(["README.md", "images/a.svg"]);
  expect((await bytes(body.files[0]!.url)).text).toBe(CARD);
});

test("an edit is seen everywhere, changes no digest, and the revision before stays readable", async () => {
  const before = await ask<{ digest: string; revision: string }>(
    hub,
    "GET",
    `/v1/modules/${module}/versions/1`,
  );
  const text = "---\ntitle: After\n---\n\nOther words.";
  const answer = await edit(1, { "README.md": text, "docs/use.md": "Use it." }, { message: "Clearer." });
  expect(answer.status).toBe(201);
  expect(answer.body).toMatchObject({ revision: 2, message: "Clearer.", card: { title: "After" } });

  const after = await ask<{
    digest: string;
    revision: string;
    files: { path: string; role: string; digest: string }[];
  }>(hub, "GET", `/v1/modules/${module}/versions/1`);
  expect(after.body.digest).toBe(before.body.digest);
  expect(after.body.revision).not.toBe(before.body.revision);
  expect(after.body.files.map(({ path, role }) => [path, role])).toEqual([
    ["README.md", "doc"],
    ["docs/use.md", "doc"],
    ["model.onnx", "graph"],
    ["module.json", "asset"],
  ]);
  const resolved = await ask<{ revision: string; files: { path: string }[] }>(
    hub,
    "GET",
    `/v1/resolve?handle=${module}/1`,
  );
  expect(resolved.body.revision).toBe(after.body.revision);
  expect(resolved.body.files.map(({ path }) => path)).toContain("docs/use.md");

  const files = `/v1/modules/${module}/versions/1/files`;
  const readme = await bytes(`${files}/README.md`);
  expect(readme.text).toBe(text);
  expect(readme.headers.get("cache-control")).toBe("no-cache");
  expect((await bytes(`${files}/images/a.svg`)).status).toBe(404);
  const old = await bytes(`${at("/files/README.md")}?revision=1`);
  expect(old.text).toBe(CARD);
  expect(old.headers.get("cache-control")).toContain("immutable");
  expect(old.headers.get("content-security-policy")).toContain("sandbox");
  expect((await read("?revision=1")).body).toMatchObject({
    revision: 1,
    current: 2,
    card: { title: "Before" },
  });

  const page = await fetch(`${hub.url}/${module}`, { headers: { accept: "text/html" } });
  const html = await page.text();
  expect(html).toContain("Other words.");
  expect(html).toContain("Documentation revision 2, edited on");
  const archive = await fetch(`${hub.url}/v1/modules/${module}/versions/1/archive`);
  const tar = execFileSync("tar", ["-tzf", "-"], { input: Buffer.from(await archive.arrayBuffer()) });
  expect(tar.toString()).toContain("docs/use.md");
  const found = await ask<{ items: { module: string }[] }>(hub, "GET", "/v1/modules?q=After");
  expect(found.body.items.map((item) => item.module)).toContain(module);
});

test("the history says who changed what, newest first, page by page", async () => {
  await edit(1, { "README.md": "two", LICENSE: "free" }, { message: "Two." });
  const writer = await hub.tokenOf("writer", "acme");
  expect((await edit(2, { "README.md": "two" }, {}, writer)).status).toBe(201);
  const first = await ask<{ items: object[]; next: string }>(hub, "GET", `${at("/revisions")}?limit=2`);
  expect(first.body.items).toMatchObject([
    {
      revision: 3,
      by: "acme-writer",
      changes: { count: 1, first: [{ path: "LICENSE", change: "removed" }] },
    },
    {
      revision: 2,
      by: "admin",
      message: "Two.",
      changes: {
        count: 3,
        first: [
          { path: "README.md", change: "changed" },
          { path: "LICENSE", change: "added" },
          { path: "images/a.svg", change: "removed" },
        ],
      },
    },
  ]);
  const second = await ask<{ items: object[]; next?: string }>(
    hub,
    "GET",
    `${at("/revisions")}?cursor=${first.body.next}`,
  );
  expect(second.body).toMatchObject({ items: [{ revision: 1, changes: { count: 2 } }] });
  expect(second.body.next).toBeUndefined();
  const audit = await ask<{ items: { action: string; account: string; detail: object }[] }>(
    hub,
    "GET",
    `/v1/audit?publisher=acme&module=${module}`,
  );
  expect(audit.body.items[0]).toMatchObject({
    action: "module.document",
    account: "acme-writer",
    detail: { revision: 3 },
  });
});

test("each state of a module has a revision of 40 digits that names the one before", async () => {
  await edit(1, { "README.md": "two" });
  await publish(hub, module, moduleFiles(`${module} again`));
  const rows = await hub.deps.database.prisma.revision.findMany({
    where: { module: { name: module } },
    orderBy: { id: "asc" },
  });
  expect(rows).toHaveLength(3);
  // Of no files and no parent, by sha256sum.
  expect(rows[0]!.parent).toBe("60344cbcb05cfc0ecb5b903e25254d31bfe1a132");
  expect(rows.slice(1).map(({ parent }) => parent)).toEqual(rows.slice(0, 2).map(({ revision }) => revision));
  const { body } = await ask<{ revision: string; files: { path: string; size: number; digest: string }[] }>(
    hub,
    "GET",
    `/v1/modules/${module}/versions/1`,
  );
  expect(body.revision).toBe(rows[1]!.revision);
  const list = body.files.map(
    ({ path, size, digest }) => `{"digest":"${digest}","path":"${path}","size":${size}}`,
  );
  const json = `{"files":[${list.join(",")}],"parent":"${rows[0]!.revision}"}`;
  expect(execFileSync("sha256sum", { input: json }).toString().slice(0, 40)).toBe(body.revision);
});

test("the same documentation is a success without a new revision, whatever it is based on", async () => {
  const texts = { "README.md": "two" };
  expect((await edit(1, texts)).status).toBe(201);
  expect(await edit(1, texts)).toMatchObject({ status: 200, body: { revision: 2 } });
  expect(await edit(2, texts)).toMatchObject({ status: 200, body: { revision: 2 } });
});

test("an edit based on an old revision is refused, and says which one is current", async () => {
  await edit(1, { "README.md": "two" });
  expect(await edit(1, { "README.md": "other" })).toMatchObject({
    status: 409,
    body: { code: "documentation-conflict", detail: expect.stringContaining("revision 2, not 1") },
  });
  expect(await edit(3, { "README.md": "other" })).toMatchObject({ status: 409 });
  expect((await read()).body).toMatchObject({ revision: 2 });
});

test("of two edits with one base, exactly one wins", async () => {
  const texts = ["one", "other"];
  for (const text of texts) await uploadBytes(hub, "acme", Buffer.from(text));
  const answers = await Promise.all(
    texts.map((text) => ask(hub, "PUT", at(), { base: 1, files: listOf({ "README.md": text }) })),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
  const winner = texts[answers.findIndex(({ status }) => status === 201)]!;
  expect((await bytes(at("/files/README.md"))).text).toBe(winner);
});

test.each([
  ["a graph", "model.onnx", 422, "not-documentation"],
  ["module.json", "module.json", 422, "not-documentation"],
  ["an asset", "notes/readme.md", 422, "not-documentation"],
  ["a path outside", "../README.md", 422, "not-documentation"],
  ["an unsafe path", "docs/a/../b.md", 400, "invalid-request"],
  ["a path that differs by case only", "Images/A.svg", 400, "invalid-request"],
  ["a path below a file", "images/a.svg/x.png", 400, "invalid-request"],
])("%s is no path of documentation", async (_, path, status, code) => {
  const texts = { "README.md": "r", "images/a.svg": "s", [path]: "x" };
  const answer = await edit(1, texts);
  expect(answer).toMatchObject({ status, body: { code } });
  if (code === "not-documentation")
    expect(answer.body).toMatchObject({
      errors: [{ path: "files[2]", message: expect.stringContaining(path) }],
    });
  expect((await read()).body.revision).toBe(1);
});

test("a file that module.json uses can't be edited, wherever it lies", async () => {
  const manifest = JSON.stringify({
    schemaVersion: 1,
    task: "text-classification",
    signatures: {
      default: {
        inputs: { text: { dtype: "string", shape: ["batch"] } },
        outputs: { scores: { dtype: "float32", shape: ["batch", 2] } },
        steps: [
          { run: { graph: "model.onnx", inputs: { text: "text" }, outputs: { scores: "scores" } } },
          { labels: { from: "scores", labels: "docs/labels.txt", as: "top" } },
        ],
      },
    },
  });
  module = `acme/used${count}`;
  const used = { "module.json": manifest, "model.onnx": "g", "docs/labels.txt": "a\nb\n" };
  const { state, problems } = await publish(hub, module, used, { visibility: "public" });
  expect(problems).toBeUndefined();
  expect(state).toBe("published");
  expect((await read()).body).toMatchObject({ revision: 1, files: [], card: {} });
  expect(await edit(1, { "docs/labels.txt": "b\na\n" })).toMatchObject({
    status: 422,
    body: { code: "not-documentation" },
  });
  expect((await edit(1, { "docs/more.txt": "x" })).status).toBe(201);
});

test("bytes that are missing, another publisher's or of another length are refused, with the file", async () => {
  const mine = digestOf("nowhere");
  const put = (file: object) =>
    ask<{ code: string; errors?: object[] }>(hub, "PUT", at(), { base: 1, files: [file] });
  expect(await put({ path: "README.md", size: 7, digest: mine })).toMatchObject({
    status: 409,
    body: { code: "blobs-missing", errors: [{ path: "README.md", message: `${mine} is missing` }] },
  });
  await uploadBytes(hub, "other", Buffer.from("private to other"));
  expect(await put({ path: "README.md", size: 16, digest: digestOf("private to other") })).toMatchObject({
    status: 409,
    body: { code: "blobs-missing" },
  });
  await uploadBytes(hub, "acme", Buffer.from("six..."));
  expect(await put({ path: "README.md", size: 5, digest: digestOf("six...") })).toMatchObject({
    status: 422,
    body: { code: "size-mismatch" },
  });
});

test("too many files or bytes, and what is no edit, are refused", async () => {
  const many = Array.from({ length: 1001 }, (_, i) => ({
    path: `docs/${i}.md`,
    size: 1,
    digest: digestOf("x"),
  }));
  const put = (body: unknown, path = at()) => ask<{ code: string }>(hub, "PUT", path, body);
  expect(await put({ base: 1, files: many })).toMatchObject({
    status: 400,
    body: { code: "invalid-request" },
  });
  const huge = [{ path: "docs/film.pdf", size: 268_435_457, digest: digestOf("x") }];
  expect(await put({ base: 1, files: huge })).toMatchObject({
    status: 422,
    body: { code: "documentation-too-large" },
  });
  for (const body of [
    { files: [] },
    { base: 0, files: [] },
    { base: 1 },
    { base: 1, files: [], other: 1 },
    [],
  ])
    expect(await put(body)).toMatchObject({ status: 400, body: { code: "invalid-request" } });
  expect(await put({ base: 1, files: [] }, at("", "latest"))).toMatchObject({ status: 400 });
  expect(await put({ base: 1, files: [] }, at("", 7))).toMatchObject({
    status: 404,
    body: { code: "version-not-found" },
  });
  expect((await read()).body.revision).toBe(1);
});

test("a documentation may be emptied, and a README with hostile front matter is no fault", async () => {
  expect(await edit(1, {})).toMatchObject({ status: 201, body: { revision: 2, files: [], card: {} } });
  const bomb = `---\na: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\ntitle: *b\n---\nText`;
  expect(await edit(2, { "README.md": bomb })).toMatchObject({ status: 201, body: { revision: 3 } });
});

test.each(["?revision=2", "?revision=99", "/files/README.md?revision=2", "/files/other.md"])(
  "what is not there is said so: %s",
  async (path) => {
    const { status } = await bytes(at(path));
    expect(status).toBe(404);
  },
);

test.each(["?revision=0", "?revision=-1", "?revision=x", "?revision=99999999999", "/revisions?cursor=bm8"])(
  "what is no revision is refused: %s",
  async (path) => expect((await bytes(at(path))).status).toBe(400),
);

test("readers of a private module read its documentation, writers edit it, others see nothing", async () => {
  module = `acme/secret${count}`;
  await publish(hub, module, files());
  const [reader, none] = [await hub.tokenOf("reader", "acme"), await hub.tokenOf("none", "acme")];
  expect((await ask(hub, "GET", at(), undefined, reader)).status).toBe(200);
  expect((await ask(hub, "GET", at(), undefined, none)).status).toBe(404);
  expect((await ask(hub, "GET", at(), undefined, {})).status).toBe(404);
  expect(await edit(1, { "README.md": "x" }, {}, reader)).toMatchObject({
    status: 403,
    body: { code: "forbidden" },
  });
  expect((await edit(1, { "README.md": "x" }, {}, none)).status).toBe(404);
  expect((await edit(1, { "README.md": "x" }, {}, {})).status).toBe(401);
});
