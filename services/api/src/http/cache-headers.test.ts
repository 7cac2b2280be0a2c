import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, digestOf, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";

/**
 * What the contract says of every address that is read: HTML and JSON are asked for again each time (`no-cache`
 * with an ETag), `immutable` is only a file of a fixed version of a public module, private modules are kept
 * nowhere, and users' files run nothing.
 */

let hub: TestHub;
let digest = "";
const FILES = {
  ...moduleFiles("cache"),
  "picture.svg": "<svg/>",
  "page.html": "<p>",
  "docs/page.md": "# page",
};

beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  for (const [module, visibility] of [
    ["acme/open", "public"],
    ["acme/closed", "private"],
  ] as const) {
    const draft = await publish(hub, module, FILES, { visibility, aliases: ["stable"] });
    digest = draft.digest ?? "";
  }
}, 60_000);
afterAll(() => hub.close());

const FIXED = "public, max-age=31536000, immutable";
const CHECKED = "no-cache";
const BROWSER = { accept: "text/html" };
/** A session's cookie decides where an answer may change; what is fixed is the same for everyone. */
const FOR_ALL = "Authorization";
const TOKEN = "Authorization, Cookie";
const BOTH = "Accept, Authorization, Cookie";
const PAGE_POLICY = expect.stringMatching(/^default-src 'none'; script-src 'self';/);
const FILE_POLICY = "default-src 'none'; sandbox";

interface Row {
  path: string;
  headers?: Record<string, string>;
  /** `Cache-Control` of a public module; that of a private one is always the same. */
  cached: string;
  vary: string;
  policy?: unknown;
  disposition?: string | null;
}

const fileRows = (version: string, isFixed: boolean): Row[] =>
  [
    { file: "model.onnx", disposition: null, isDocumentation: false },
    { file: "picture.svg", disposition: "attachment", isDocumentation: false },
    { file: "page.html", disposition: "attachment", isDocumentation: false },
    { file: "README.md", disposition: null, isDocumentation: true },
  ].map(({ file, disposition, isDocumentation }) => ({
    path: `/v1/modules/MODULE/versions/${version}/files/${file}`,
    cached: isFixed && !isDocumentation ? FIXED : CHECKED,
    vary: isFixed && !isDocumentation ? FOR_ALL : TOKEN,
    policy: FILE_POLICY,
    disposition,
  }));

const archive = (path: string): Row => ({
  path,
  cached: CHECKED,
  vary: TOKEN,
  policy: FILE_POLICY,
  disposition: 'attachment; filename="acme-NAME-1.tar.gz"',
});

const ROWS: Row[] = [
  { path: "/v1/modules/MODULE", cached: CHECKED, vary: TOKEN },
  { path: "/v1/modules/MODULE/versions", cached: CHECKED, vary: TOKEN },
  { path: "/v1/modules/MODULE/aliases", cached: CHECKED, vary: TOKEN },
  { path: "/v1/resolve?handle=MODULE/1", cached: CHECKED, vary: TOKEN },
  { path: "/v1/resolve?handle=MODULE@DIGEST", cached: CHECKED, vary: TOKEN },
  ...["1", "stable", "latest", "DIGEST"].flatMap((version) => [
    { path: `/v1/modules/MODULE/versions/${version}`, cached: CHECKED, vary: BOTH },
    archive(`/v1/modules/MODULE/versions/${version}/archive`),
    ...fileRows(version, version === "1" || version === "DIGEST"),
  ]),
  ...["", "/1", "@stable", "@DIGEST"].flatMap((reference) => [
    { path: `/MODULE${reference}`, cached: CHECKED, vary: BOTH },
    { path: `/MODULE${reference}`, headers: BROWSER, cached: CHECKED, vary: BOTH, policy: PAGE_POLICY },
    archive(`/MODULE${reference}?tf-hub-format=compressed`),
  ]),
];

const pathOf = ({ path }: Row, module: string) =>
  hub.url + path.replace("MODULE", module).replace("DIGEST", digest);

const told = ({ headers }: Response) => ({
  cached: headers.get("cache-control"),
  vary: headers.get("vary"),
  policy: headers.get("content-security-policy"),
  disposition: headers.get("content-disposition"),
  sniffing: headers.get("x-content-type-options"),
  etag: headers.get("etag"),
});

test.each(ROWS)("$path ($headers.accept) says how it may be kept, the same to GET and HEAD", async (row) => {
  for (const [module, credentials] of [
    ["acme/open", {}],
    ["acme/open", hub.admin],
    ["acme/closed", hub.admin],
  ] as const) {
    const url = pathOf(row, module);
    const headers = { ...row.headers, ...credentials };
    const get = await fetch(url, { headers });
    const body = await get.arrayBuffer();
    expect(get.status).toBe(200);
    expect(told(get)).toEqual({
      cached: module === "acme/open" ? row.cached : "private, no-store",
      vary: row.vary,
      policy: row.policy ?? null,
      disposition: row.disposition?.replace("NAME", module.slice("acme/".length)) ?? null,
      sniffing: "nosniff",
      etag: expect.stringMatching(/^"[\w:-]{32,}"$/),
    });
    const head = await fetch(url, { method: "HEAD", headers });
    expect([head.status, (await head.arrayBuffer()).byteLength]).toEqual([200, 0]);
    expect(told(head)).toEqual(told(get));
    expect(head.headers.get("content-length")).toBe(String(body.byteLength));
    expect(head.headers.get("content-type")).toBe(get.headers.get("content-type"));
  }
});

test.each(ROWS)("$path ($headers.accept) is not sent again to those who have it", async (row) => {
  const url = pathOf(row, "acme/open");
  const etag = (await fetch(url, { method: "HEAD", headers: row.headers })).headers.get("etag") ?? "";
  for (const method of ["GET", "HEAD"])
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const answer = await fetch(url, { method, headers: { ...row.headers, "if-none-match": known } });
      expect([answer.status, (await answer.arrayBuffer()).byteLength], known).toEqual([304, 0]);
      // RFC 9110, section 15.4.5: these are sent with 304, and a length only if it is the body's.
      expect(told(answer)).toMatchObject({ cached: row.cached, vary: row.vary, etag });
      expect(answer.headers.get("content-length")).not.toBe("0");
    }
  const other = await fetch(url, { headers: { ...row.headers, "if-none-match": '"other"' } });
  expect(other.status).toBe(200);
  await other.arrayBuffer();
});

test.each(["/v1/modules", "/v1/publishers", "/v1/publishers/acme"])(
  "the list %s is asked for again each time, and what a token shows of it is kept nowhere",
  async (path) => {
    const open = await fetch(hub.url + path);
    await open.text();
    expect(told(open)).toMatchObject({ cached: CHECKED, vary: TOKEN, etag: expect.any(String) });
    const own = await fetch(hub.url + path, { headers: hub.admin });
    const isOfEveryone = path.startsWith("/v1/publishers");
    expect(told(own)).toMatchObject({ cached: isOfEveryone ? CHECKED : "private, no-store", vary: TOKEN });
    await own.text();
  },
);

test.each([
  "/health/live",
  "/metrics",
  "/v1/modules/acme/nothing",
  "/v1/modules/acme/open/versions/9",
  "/v1/modules/acme/open/versions/1/files/nothing",
  "/v1/modules/acme/open/versions/1/infer",
  "/v1/modules/acme//open",
])("%s, which holds for this moment only, is kept nowhere", async (path) => {
  const answer = await fetch(hub.url + path);
  await answer.text();
  expect(answer.headers.get("cache-control")).toBe("no-store");
  expect(answer.headers.get("etag")).toBe(null);
});

const GRAPH = "graph cache";
const graph = (headers: Record<string, string>, method = "GET") =>
  fetch(`${hub.url}/v1/modules/acme/open/versions/1/files/model.onnx`, { method, headers });

test("a range counts for GET alone; HEAD says what the whole file is", async () => {
  const head = await graph({ range: "bytes=0-4" }, "HEAD");
  expect([head.status, head.headers.get("content-length"), head.headers.get("content-range")]).toEqual([
    200,
    String(GRAPH.length),
    null,
  ]);
});

// RFC 9110, sections 13.1.5 (If-Range) and 13.2.2 (which precondition comes first).
test.each([
  ["of the same file", { "if-range": `"${digestOf(GRAPH)}"` }, 206],
  [
    "of the same file by a weak tag, which no range may count on",
    { "if-range": `W/"${digestOf(GRAPH)}"` },
    200,
  ],
  ["of another file", { "if-range": '"other"' }, 200],
  ["by date, which files here have none of", { "if-range": "Mon, 23 Nov 2026 20:00:00 GMT" }, 200],
  ["of a file that the client has", { "if-none-match": `"${digestOf(GRAPH)}"` }, 304],
])("a range %s is answered with %j", async (_, headers, status) => {
  const answer = await graph({ range: "bytes=6-", ...headers });
  expect([answer.status, await answer.text()]).toEqual([
    status,
    status === 304 ? "" : status === 206 ? "cache" : GRAPH,
  ]);
});

test("a range outside a file says nothing about the file but its size", async () => {
  const answer = await fetch(`${hub.url}/v1/modules/acme/open/versions/1/files/page.html`, {
    headers: { range: "bytes=3-" },
  });
  expect(answer.status).toBe(416);
  expect(answer.headers.get("content-range")).toBe("bytes */3");
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  expect(told(answer)).toMatchObject({ cached: "no-store", etag: null, disposition: null });
  expect(await answer.json()).toMatchObject({
    code: "range-not-satisfiable",
    detail: "The file has 3 bytes.",
  });
});
