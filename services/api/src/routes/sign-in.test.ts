import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";

let hub: TestHub;
let token: string;
beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  await publish(hub, "acme/open", moduleFiles("open"), { visibility: "public" });
  await publish(hub, "acme/secret", moduleFiles("secret"));
  token = tokenIn(await hub.tokenOf("owner", "acme"));
}, 60_000);
afterAll(() => hub.close());

const tokenIn = ({ authorization }: { authorization: string }) => authorization.slice("Bearer ".length);
const OWN = { "sec-fetch-site": "same-origin" };
const PAGE = { accept: "text/html" };
const get = (path: string, headers: Record<string, string> = PAGE) => fetch(hub.url + path, { headers });

const send = (path: string, fields: Record<string, string>, headers: Record<string, string> = OWN) =>
  fetch(hub.url + path, {
    method: "POST",
    body: new URLSearchParams(fields),
    redirect: "manual",
    headers: { ...PAGE, ...headers },
  });

/** Signs in, and comes back with the cookie as a browser sends it. */
async function signIn(secret = token): Promise<{ cookie: string }> {
  const answer = await send("/login", { token: secret, next: "/acme/secret" });
  expect(answer.status).toBe(303);
  return { cookie: answer.headers.get("set-cookie")!.split(";", 1)[0]! };
}

test("who has not signed in gets the same page for a private module as for none, with the way to sign in", async () => {
  const text = async (path: string) => {
    const answer = await get(path, { ...PAGE, "x-request-id": "same" });
    expect(answer.status).toBe(404);
    return (await answer.text()).replaceAll(encodeURIComponent(path), "PATH");
  };
  const page = await text("/acme/secret");
  expect(page).toContain('href="/login?next=PATH"');
  expect(await text("/acme/nothing")).toBe(page);
});

test("a browser signs in with a token, goes on where it came from, and sees what the token may read", async () => {
  const form = await (await get("/login?next=/acme/secret")).text();
  expect(form).toContain('name="next" value="/acme/secret"');
  const answer = await send("/login", { token, next: "/acme/secret" });
  expect(answer.status).toBe(303);
  expect(answer.headers.get("location")).toBe("/acme/secret");
  const cookie = answer.headers.get("set-cookie")!;
  expect(cookie).toMatch(/^modulehub=mhs_[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=604800$/);
  expect(cookie).not.toContain(token);
  const session = { cookie: cookie.split(";", 1)[0]! };
  const page = await get("/acme/secret", { ...PAGE, ...session });
  expect(page.status).toBe(200);
  expect(page.headers.get("cache-control")).toBe("private, no-store");
  expect(await page.text()).toContain("Signed in as <strong>acme-owner</strong>");
  // What is public is marked with the visitor's name, so it is no shared cache's either.
  expect((await get("/acme/open", { ...PAGE, ...session })).headers.get("cache-control")).toBe(
    "private, no-store",
  );
  expect(await (await get("/", { ...PAGE, ...session })).text()).toContain("acme/secret");
  const file = "/v1/modules/acme/secret/versions/1/files/model.onnx";
  expect((await get(file, session)).status).toBe(200);
});

test("a session reads pages and files and nothing else, and runs modules from the hub's own pages only", async () => {
  const session = await signIn();
  for (const path of ["/v1/me", "/v1/tokens", "/v1/publishers/acme/members", "/v1/audit?publisher=acme"])
    expect((await get(path, session)).status, path).toBe(401);
  const put = await ask(
    hub,
    "PUT",
    "/v1/modules/acme/secret/aliases/a",
    { version: 1 },
    { ...session, ...OWN },
  );
  expect(put.status).toBe(401);
  const run = (headers: Record<string, string>) =>
    ask(hub, "POST", "/v1/modules/acme/secret/infer", { inputs: {} }, { ...session, ...headers });
  expect((await run(OWN)).status).toBe(200);
  expect((await run({ origin: hub.url })).status).toBe(200);
  const foreigners: Record<string, string>[] = [
    {},
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { origin: "http://evil.example" },
    { origin: "null" },
    { origin: hub.url, "sec-fetch-site": "cross-site" },
  ];
  for (const foreign of foreigners) expect((await run(foreign)).status, JSON.stringify(foreign)).toBe(404);
  // As a header it is no token.
  const secret = session.cookie.slice("modulehub=".length);
  expect((await get("/v1/me", { authorization: `Bearer ${secret}` })).status).toBe(401);
  expect((await get("/acme/secret", { ...PAGE, cookie: `modulehub=${token}` })).status).toBe(404);
});

test("a session ends when its visitor signs out, and when its token is revoked", async () => {
  const seen = async (session: { cookie: string }) =>
    (await get("/acme/secret", { ...PAGE, ...session })).status;
  const first = await signIn();
  const foreign = await send("/logout", {}, { ...first, "sec-fetch-site": "cross-site" });
  expect(foreign.status).toBe(403);
  expect(await seen(first)).toBe(200);
  const out = await send("/logout", {}, { ...first, ...OWN });
  expect(out.status).toBe(303);
  expect(out.headers.get("set-cookie")).toContain("Max-Age=0");
  expect(await seen(first)).toBe(404);

  const other = await hub.tokenOf("reader", "acme");
  const second = await signIn(tokenIn(other));
  expect(await seen(second)).toBe(200);
  const { body } = await ask<{ token: { id: string } }>(hub, "GET", "/v1/me", undefined, other);
  await ask(hub, "DELETE", `/v1/tokens/${body.token.id}`, undefined, other);
  expect(await seen(second)).toBe(404);
  // A page that everyone may see is there all the same.
  expect((await get("/acme/open", { ...PAGE, ...second })).status).toBe(200);
});

test("the admin signs in with the token of the data folder, and does no more than look", async () => {
  const session = await signIn(tokenIn(hub.admin));
  expect((await get("/acme/secret", { ...PAGE, ...session })).status).toBe(200);
  expect((await get("/v1/accounts", session)).status).toBe(401);
});

test("a token that is none is refused on the page, in words, and signs nobody in", async () => {
  for (const wrong of [`mh_${"A".repeat(43)}`, "", "<script>", tokenIn(hub.workerToken)]) {
    const answer = await send("/login", { token: wrong });
    expect(answer.status).toBe(401);
    expect(answer.headers.get("set-cookie")).toBeNull();
    expect(await answer.text()).toMatch(/role="alert">This token/);
  }
});

test("another site can't sign a visitor in, nor send one elsewhere after it", async () => {
  const foreigners: Record<string, string>[] = [
    {},
    { "sec-fetch-site": "cross-site" },
    { origin: "http://evil.example" },
  ];
  for (const foreign of foreigners) expect((await send("/login", { token }, foreign)).status).toBe(403);
  for (const next of [
    "//evil.example/",
    "/.//evil.example/",
    "/x/..//evil.example/",
    "/%2e//evil.example/",
    "/\\evil.example",
    "https://evil.example",
    "javascript:alert(1)",
    "",
  ])
    expect((await send("/login", { token, next })).headers.get("location"), next).toBe("/");
});

test("signing in takes a form and nothing else", async () => {
  const json = await ask(hub, "POST", "/login", { token }, OWN);
  expect(json).toMatchObject({ status: 415, body: { code: "unsupported-media-type" } });
  expect((await send("/login", { token: "x".repeat(9_000) })).status).toBe(413);
  expect((await send("/login", {})).status).toBe(400);
});

test("over https the cookie is for https and this host only", async () => {
  const secure = await startTestHub({ publicUrl: () => "https://hub.example" });
  try {
    const answer = await fetch(`${secure.url}/login`, {
      method: "POST",
      body: new URLSearchParams({ token: tokenIn(secure.admin) }),
      redirect: "manual",
      headers: OWN,
    });
    expect(answer.headers.get("set-cookie")).toMatch(/^__Host-modulehub=.*; Secure$/);
  } finally {
    await secure.close();
  }
});
