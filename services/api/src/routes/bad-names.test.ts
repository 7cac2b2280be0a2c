import { isReserved, RESERVED_PUBLISHERS, RESERVED_SEGMENTS } from "@modulehub/core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { rawRequest } from "../testing/raw-request.ts";
import { ask, listOf, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";

/** Names, paths and cursors that break the contract's rules, at every address that takes one. */

let hub: TestHub;
let modules = 0;
const FILES = moduleFiles("bad names");
beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  await publish(hub, "acme/words/small", FILES, { visibility: "public", aliases: ["stable"] });
  modules = await hub.deps.database.prisma.module.count();
}, 60_000);
afterAll(() => hub.close());

afterEach(async () => {
  expect(await hub.deps.database.prisma.module.count()).toBe(modules);
  expect((await ask(hub, "GET", "/health/live")).status).toBe(200);
});

/** By the grammar of the contract: publisher, 1 to 8 segments, 96 characters in all. */
const BAD_NAMES = [
  "Acme/words",
  "a--b/words",
  "-acme/words",
  "acme-/words",
  "ac_me/words",
  `${"a".repeat(65)}/words`,
  "acme/wo..rds",
  "acme/wo--rds",
  "acme/.words",
  "acme/-words",
  "acme/wörds",
  "acme/wo rds",
  "acme/wo~rds",
  "acme/words.git",
  "acme/words.GIT/small",
  "acme/a/b/c/d/e/f/g/h/i",
  `acme/${"w".repeat(92)}`,
];

test.each(BAD_NAMES)("the name %s is refused wherever one is given, with the rule", async (name) => {
  const path = name.split("/").map(encodeURIComponent).join("/");
  const files = listOf(FILES);
  const refused = { status: 400, body: { code: "invalid-name", detail: expect.any(String) } };
  expect(await ask(hub, "POST", `/v1/modules/${path}/drafts`, { files })).toMatchObject(refused);
  expect(await ask(hub, "GET", `/v1/modules/${path}/versions`)).toMatchObject(refused);
  expect(await ask(hub, "GET", `/v1/modules/${path}/versions/1/archive`)).toMatchObject(refused);
  expect(await ask(hub, "GET", `/v1/resolve?handle=${encodeURIComponent(name)}`)).toMatchObject({
    status: 400,
    body: { code: "invalid-handle", detail: expect.any(String) },
  });
  const page = await fetch(`${hub.url}/${path}`, { headers: { accept: "application/json" } });
  expect(page.status).toBeGreaterThanOrEqual(400);
  expect(page.status).toBeLessThan(500);
  expect(await page.json()).toHaveProperty("code");
});

test.each(["7", "007", "words/7"])(
  "a name whose end is the number %s is none: it would be read as a version",
  async (name) => {
    const draft = await ask(hub, "POST", `/v1/modules/acme/${name}/drafts`, { files: listOf(FILES) });
    expect(draft.status).toBeGreaterThanOrEqual(400);
    expect(draft.status).toBeLessThan(500);
  },
);

test("no reserved word can be a publisher or a part of a name, in any case", async () => {
  for (const word of [...RESERVED_PUBLISHERS].filter((_, index) => index % 10 === 0)) {
    const made = await ask(hub, "POST", "/v1/publishers", { id: word });
    expect([word, made.status, made.body.code]).toEqual([word, 400, "invalid-name"]);
  }
  for (const word of [...RESERVED_SEGMENTS].filter((_, index) => index % 10 === 0))
    for (const each of [word, word.toUpperCase()]) {
      const handle = await ask(hub, "GET", `/v1/resolve?handle=acme/${each}/small`);
      expect([each, handle.status, handle.body.code]).toEqual([each, 400, "invalid-handle"]);
      const draft = await ask(hub, "POST", `/v1/modules/acme/${each}/small/drafts`, { files: listOf(FILES) });
      expect([400, 404, 405], `${each} ${draft.status}`).toContain(draft.status);
    }
});

test("the words of the routes are reserved where a publisher or a part of a name could stand", () => {
  const words = hub.app.declaredRoutes.map(({ url }) => url.split("/").slice(1));
  const after = words.flatMap(([first, kind, , word]) =>
    first === "-" && kind === "modules" && word !== undefined ? [word] : [],
  );
  expect(after.filter((word) => !isReserved(RESERVED_SEGMENTS, word))).toEqual([]);
  expect(after).toContain("versions");
  const first = words.map(([word = ""]) => word).filter((word) => !["", "-", ":publisher"].includes(word));
  expect(first.filter((word) => !isReserved(RESERVED_PUBLISHERS, word))).toEqual([]);
  expect(first).toContain("login");
});

test("a name in other letters is another's: it finds nothing, and can't be taken", async () => {
  for (const name of ["acme/Words/small", "acme/words/SMALL", "acme/words.small"]) {
    expect(await ask(hub, "GET", `/v1/modules/${name}`)).toMatchObject({
      status: 404,
      body: { code: "module-not-found" },
    });
    expect(await ask(hub, "POST", `/v1/modules/${name}/drafts`, { files: listOf(FILES) })).toMatchObject({
      status: 409,
      body: { code: "name-taken" },
    });
  }
});

test("a version that exists with other content is a conflict, and stays what it is", async () => {
  const files = listOf(moduleFiles("other content"));
  const draft = await ask(hub, "POST", "/v1/modules/acme/words/small/drafts", { files, version: 1 });
  expect(draft).toMatchObject({ status: 409, body: { code: "version-exists" } });
  const graph = await fetch(`${hub.url}/v1/modules/acme/words/small/versions/1/files/model.onnx`);
  expect(await graph.text()).toBe(FILES["model.onnx"]);
});

const MODULE = "/v1/modules/acme/words/small";

test.each(
  ["/acme/words/small", MODULE, `${MODULE}/versions/1/files`, `${MODULE}/versions/1/archive`].flatMap(
    (place) =>
      [
        "/..",
        "/../..",
        "/%2e%2e/x",
        "/.%2E",
        "/.",
        "/x%2Fy",
        "/%2f",
        "/x%00",
        "/%00",
        "//",
        "//x",
        "/x%5Cy",
        "/%",
        "/%zz",
      ].map((end) => `${place}${end}`),
  ),
)("the path %s is refused over a raw socket", async (path) => {
  const answer = await rawRequest(hub.url, `GET ${path}`);
  const body = JSON.parse(answer.body);
  // An encoded slash in the path of a file is the only one of these that could be meant: no such file is there.
  if (path.includes("/files/x%2F")) expect(["invalid-path", "file-not-found"]).toContain(body.code);
  else expect([path, answer.status, body.code]).toEqual([path, 400, "invalid-path"]);
});

const cursor = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const TAMPERED = [
  "%00",
  "not-base64!",
  Buffer.from("{").toString("base64url"),
  cursor(null),
  cursor({}),
  cursor([]),
  cursor([[[]]]),
  cursor({ __proto__: 1, constructor: 2 }),
  cursor(true),
  cursor(-1.5),
  cursor(1e300),
  cursor("a\0b"),
  cursor("\ud800"),
  cursor(["a\0b", "a\0b"]),
  // A year that JavaScript has and PostgreSQL has not.
  cursor(["0000-01-01T00:00:00.000Z", "00000000-0000-4000-8000-000000000000"]),
];

test.each([
  "/v1/modules?",
  "/v1/publishers?",
  "/v1/publishers/acme/members?",
  "/v1/accounts?",
  "/v1/tokens?",
  "/v1/audit?",
  "/v1/drafts?",
  `${MODULE}/versions?`,
  `${MODULE}/aliases?`,
  `${MODULE}/versions/1/documentation/revisions?`,
  "/v1/resolve?handle=acme/words/small&",
])("a cursor that was tampered with is refused by the list %s", async (list) => {
  expect((await ask(hub, "GET", list)).status).toBe(200);
  for (const value of TAMPERED) {
    const answer = await ask(hub, "GET", `${list}cursor=${value}`);
    expect([value, answer.status, answer.body.code]).toEqual([value, 400, "invalid-request"]);
  }
  expect((await ask(hub, "GET", `${list}cursor=${"A".repeat(3_000)}`)).status).toBe(400);
});
