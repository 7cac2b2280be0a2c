import Fastify from "fastify";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Identity } from "../identity/identity.ts";
import { ANONYMOUS } from "../identity/principal.ts";
import { rawRequest } from "../testing/raw-request.ts";
import { ask, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";
import { guardRoutes } from "./access.ts";

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  await publish(hub, "acme/a/b", moduleFiles("paths"), { visibility: "public" });
}, 60_000);
afterAll(() => hub.close());

test.each([
  "/v1/modules/acme/a/b/versions/1/files/../../../../../../etc/passwd",
  "/v1/modules/acme/a/b/versions/1/files/%2e%2e/module.json",
  "/v1/modules/acme/a/b/versions/1/files/x%2F..%2Fmodule.json",
  "/v1/modules/acme/a/b/versions/1/files/module.json%00",
  "/v1/modules/acme/a/b//versions/1",
  "/v1/modules/acme/./a/b",
  "/v1/modules/acme/a%5Cb",
  "/v1/modules/acme/a%",
  "//acme/a/b",
  "/acme/%2e%2e/b",
  "/-/modules/acme%2Fa%2Fb",
])("the path %s is refused with a problem document", async (path) => {
  const answer = await rawRequest(hub.url, `GET ${path}`);
  expect(answer.status).toBe(400);
  expect(JSON.parse(answer.body)).toMatchObject({ code: "invalid-path", status: 400 });
});

test.each(["/-/modules/acme", "/-/handle/acme", "/-/refused"])(
  "the internal path %s is no address",
  async (path) => {
    const answer = await rawRequest(hub.url, `GET ${path}`);
    expect(answer.status).toBe(404);
    expect(JSON.parse(answer.body)).toMatchObject({ code: "not-found" });
  },
);

test.each([
  ["*", 400],
  [`/${"a".repeat(5000)}`, 400],
  ["/acme/__proto__/x", 404],
  ["/v1/modules/constructor/__proto__", 404],
  ["/v1/modules/ACME/a/b", 400],
  ["/nothing", 404],
  [`/v1/publishers/${"a".repeat(3000)}`, 404],
])("the odd path %s is answered with a problem, and the hub goes on", async (path, status) => {
  const answer = await rawRequest(hub.url, `GET ${path}`);
  expect(answer.status).toBe(status);
  expect(JSON.parse(answer.body)).toHaveProperty("code");
  expect((await ask(hub, "GET", "/health/live")).status).toBe(200);
});

test.each([
  ["GET", "/v1/modules?publisher=%00"],
  ["GET", `/v1/modules?cursor=${Buffer.from(JSON.stringify("a\0")).toString("base64url")}`],
  [
    "GET",
    `/v1/resolve?handle=acme/a/b&cursor=${Buffer.from(JSON.stringify("\ud800")).toString("base64url")}`,
  ],
  ["GET", `/v1/modules/acme/a/b/versions?cursor=${Buffer.from("99999999999").toString("base64url")}`],
  ["POST", "/v1/publishers", { id: "nul", displayName: "a\0b" }],
  ["POST", "/v1/uploads", { publisher: "a\0b", size: 1 }],
] as const)("%s %s holds what no database can: it is refused", async (method, path, body?: object) => {
  expect(await ask(hub, method, path, body)).toMatchObject({
    status: 400,
    body: { code: "invalid-request" },
  });
});

test.each([
  ["garbage", 400, "invalid-request"],
  [`GET /health/live HTTP/1.1\r\nX: ${"a".repeat(20_000)}`, 431, "headers-too-large"],
])("what can't be read as a request is answered with a problem too: %s", async (line, status, code) => {
  const answer = await rawRequest(hub.url, line);
  expect(answer.status).toBe(status);
  expect(answer.head).toContain("application/problem+json");
  expect(JSON.parse(answer.body)).toMatchObject({ code, status });
});

test("the body of a request to a path that is refused is not read", async () => {
  const answer = await rawRequest(hub.url, "PUT /v1/uploads/x/parts/%00", ["Content-Length: 8"], "no JSON!");
  expect(JSON.parse(answer.body)).toMatchObject({ code: "invalid-path" });
});

test("a method that an address does not take is 405, with those that it takes", async () => {
  const refused = [
    ["DELETE", "/v1/modules/acme/a/b/versions", "GET, HEAD"],
    ["GET", "/v1/modules/acme/a/b/infer", "POST"],
    ["POST", "/v1/modules/acme/a/b/versions/1/files/module.json", "GET, HEAD"],
    ["GET", "/v1/uploads/x/parts/1", "PUT"],
  ] as const;
  for (const [method, path, allow] of refused) {
    const answer = await ask(hub, method, path);
    expect(answer).toMatchObject({ status: 405, body: { code: "method-not-allowed" } });
    expect(answer.headers.get("allow")).toBe(allow);
  }
});

test("HEAD is answered wherever GET is, without a body", async () => {
  for (const path of ["/acme/a/b", "/v1/modules/acme/a/b", "/v1/resolve?handle=acme/a/b", "/health/live"]) {
    const head = await fetch(hub.url + path, { method: "HEAD" });
    const get = await fetch(hub.url + path);
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect(head.headers.get("content-length")).toBe(String((await get.arrayBuffer()).byteLength));
  }
});

test("a body that is not JSON, of another type or too large is refused", async () => {
  const post = (body: string, type: string) =>
    fetch(`${hub.url}/v1/publishers`, {
      method: "POST",
      headers: { ...hub.admin, "content-type": type },
      body,
    });
  const codes: unknown[] = [];
  for (const response of [
    await post("{", "application/json"),
    await post("", "application/json"),
    await post("a", "text/plain"),
    await post(`{"id":"${"a".repeat(1_100_000)}"}`, "application/json"),
    await post('{"id":7}', "application/json"),
    await post('{"id":"a","__proto__":{}}', "application/json"),
  ])
    codes.push([response.status, ((await response.json()) as { code: string }).code]);
  expect(codes).toEqual([
    [400, "invalid-json"],
    [400, "invalid-json"],
    [415, "unsupported-media-type"],
    [413, "body-too-large"],
    [400, "invalid-request"],
    [400, "invalid-json"],
  ]);
});

test("a body that breaks its schema is told where", async () => {
  const files = [{ path: "module.json", size: 1.5, digest: "md5:0" }];
  const answer = await ask(hub, "POST", "/v1/modules/acme/a/b/drafts", { files, colour: "red" });
  expect(answer).toMatchObject({ status: 400, body: { code: "invalid-request" } });
  const { errors, detail } = answer.body as { errors: { path: string }[]; detail: string };
  expect(errors.map(({ path }) => path)).toEqual(["files[0].size", "files[0].digest", ""]);
  expect(detail).toContain("files[0].size");
});

test("every answer has a request id; a client's own is kept if it is harmless", async () => {
  const own = await ask(hub, "GET", "/nothing", undefined, { "x-request-id": "mine-1" });
  expect(own.body.requestId).toBe("mine-1");
  const odd = await ask(hub, "GET", "/nothing", undefined, { "x-request-id": "no spaces" });
  expect(odd.body.requestId).toMatch(/^[0-9a-f-]{36}$/);
});

test("no token and no query reaches the log", async () => {
  await ask(hub, "GET", "/v1/resolve?handle=acme/a/b&token=secret-in-query");
  await ask(hub, "GET", "/v1/modules", undefined, { authorization: "Bearer wrong-token-wrong-token" });
  const log = hub.log.join("");
  expect(log).toContain("/v1/resolve");
  for (const secret of [
    "secret-in-query",
    "wrong-token",
    hub.admin.authorization.slice(7),
    hub.workerToken.authorization.slice(7),
  ])
    expect(log).not.toContain(secret);
});

test("a token that is not known is refused everywhere, also where none is needed", async () => {
  for (const authorization of ["Bearer wrong-token-wrong-token", "Basic abc", "Bearer"]) {
    const answer = await ask(hub, "GET", "/v1/modules", undefined, { authorization });
    expect(answer).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
    expect(answer.headers.get("www-authenticate")).toContain("Bearer");
  }
});

test("a route that declares no action stops the start", () => {
  const app = Fastify();
  const identity: Identity = {
    authenticate: () => ANONYMOUS,
    authenticateToken: () => ANONYMOUS,
    changing: (change) => change(),
    recordUse: async () => undefined,
  };
  guardRoutes(app, identity, () => "");
  expect(() => app.get("/open", async () => ANONYMOUS)).toThrow("declares no action");
});
