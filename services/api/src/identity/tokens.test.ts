import { hash } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { ask, startTestHub, type TestHub } from "../testing/test-hub.ts";

interface Issued {
  name?: string;
  id: string;
  token: string;
  role: string;
  publisher?: string;
  expiresAt?: string;
}

let hub: TestHub;
let owner: { authorization: string };
let writer: { authorization: string };
beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  await ask(hub, "POST", "/v1/publishers", { id: "other" });
  owner = await hub.tokenOf("owner", "acme");
  writer = await hub.tokenOf("writer", "acme");
}, 60_000);
afterAll(() => hub.close());
afterEach(() => vi.useRealTimers());

const bearer = (issued: Issued) => ({ authorization: `Bearer ${issued.token}` });
const issue = async (body: object, headers: Record<string, string>): Promise<Issued> => {
  const made = await ask<Issued>(hub, "POST", "/v1/tokens", { name: "test", ...body }, headers);
  expect(made.status).toBe(201);
  return made.body;
};
const me = (headers: Record<string, string>) => ask(hub, "GET", "/v1/me", undefined, headers);
const rename = (headers: Record<string, string>, publisher = "acme") =>
  ask(hub, "PATCH", `/v1/publishers/${publisher}`, { displayName: "New" }, headers);

test("a token is told once, and only its SHA-256 is stored", async () => {
  const issued = await issue({}, owner);
  expect(issued.token).toMatch(/^mh_[\w-]{43}$/);
  const row = await hub.deps.database.prisma.token.findUniqueOrThrow({ where: { id: issued.id } });
  expect(row.hash).toBe(hash("sha256", issued.token));
  const listed = await ask(hub, "GET", "/v1/tokens", undefined, owner);
  expect(JSON.stringify(listed.body)).not.toContain(issued.token);
  expect(listed.body).toMatchObject({ items: [{ id: issued.id, role: "owner" }, {}] });
  const { items } = await hub.deps.database.prisma.audit
    .findMany()
    .then((rows) => ({ items: JSON.stringify(rows) }));
  expect(items).not.toContain(issued.token);
});

test("a token is called by something that can be seen", async () => {
  for (const name of ["", "  ", "\t\n"])
    expect(await ask(hub, "POST", "/v1/tokens", { name }, owner)).toMatchObject({
      status: 400,
      body: { code: "invalid-request" },
    });
  expect(await issue({ name: " laptop " }, owner)).toMatchObject({ name: "laptop" });
});

test("tokens that were never issued, are revoked, expired, or of a disabled account are refused alike", async () => {
  await ask(hub, "POST", "/v1/accounts", { id: "leaver" });
  const revoked = await issue({}, owner);
  const expired = await issue({ expiresAt: new Date(Date.now() + 3_600_000).toISOString() }, owner);
  const disabled = await issue({ account: "leaver" }, hub.admin);
  for (const issued of [revoked, expired, disabled]) expect((await me(bearer(issued))).status).toBe(200);
  expect((await ask(hub, "DELETE", `/v1/tokens/${revoked.id}`, undefined, owner)).status).toBe(204);
  expect((await ask(hub, "PATCH", "/v1/accounts/leaver", { disabled: true })).status).toBe(200);
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_001 });
  const never = { ...revoked, token: `mh_${"A".repeat(43)}` };
  const answers = [];
  for (const issued of [never, revoked, expired, disabled]) {
    const { status, body } = await me({ ...bearer(issued), "x-request-id": "same" });
    answers.push({ status, body });
  }
  expect(answers[0]).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
  for (const answer of answers) expect(answer).toEqual(answers[0]);
  await ask(hub, "PATCH", "/v1/accounts/leaver", { disabled: false });
  expect((await me(bearer(disabled))).status).toBe(200);
});

test("a token does no more than its cap, and nothing with its role in other publishers than its own", async () => {
  await ask(hub, "PUT", "/v1/publishers/other/members/acme-owner", { role: "owner" });
  expect((await rename(owner)).status).toBe(200);
  const capped = bearer(await issue({ role: "writer" }, owner));
  expect(await rename(capped)).toMatchObject({ status: 403, body: { code: "forbidden" } });
  expect((await me(capped)).body).toMatchObject({ roles: { acme: "writer", other: "writer" } });
  const limited = bearer(await issue({ publisher: "acme" }, owner));
  expect((await rename(limited)).status).toBe(200);
  expect((await rename(limited, "other")).status).toBe(403);
  expect((await me(limited)).body).toMatchObject({ roles: { acme: "owner" }, token: { publisher: "acme" } });
  // A publisher that it made it would own.
  for (const headers of [capped, limited])
    expect((await ask(hub, "POST", "/v1/publishers", { id: "third" }, headers)).status).toBe(403);
});

test("a token gives on no more than it has: role, publisher, account and time", async () => {
  const soon = new Date(Date.now() + 3_600_000).toISOString();
  const capped = bearer(await issue({ role: "reader", publisher: "acme", expiresAt: soon }, owner));
  const inherited = await issue({}, capped);
  expect(inherited).toMatchObject({ role: "reader", publisher: "acme", expiresAt: soon });
  for (const more of [
    { role: "writer" },
    { role: "admin" },
    { publisher: "other" },
    { account: "acme-writer" },
    { expiresAt: new Date(Date.now() + 7_200_000).toISOString() },
  ])
    expect(await ask(hub, "POST", "/v1/tokens", { name: "more", ...more }, capped)).toMatchObject({
      status: 403,
      body: { code: "forbidden" },
    });
  const admin = await ask(hub, "POST", "/v1/tokens", { name: "more", role: "admin" }, owner);
  expect(admin.status).toBe(403);
});

test("a limited token revokes itself and what may no more than it, and nobody revokes another's", async () => {
  const full = await issue({}, owner);
  const capped = await issue({ role: "reader" }, owner);
  const revoke = (issued: Issued, headers: Record<string, string>) =>
    ask(hub, "DELETE", `/v1/tokens/${issued.id}`, undefined, headers);
  expect((await revoke(full, bearer(capped))).status).toBe(403);
  expect(await revoke(full, writer)).toMatchObject({ status: 404, body: { code: "token-not-found" } });
  expect((await revoke(capped, bearer(capped))).status).toBe(204);
  expect((await me(bearer(capped))).status).toBe(401);
  expect((await revoke(full, hub.admin)).status).toBe(204);
});

test("a role that was given or taken holds from the answer on", async () => {
  const newcomer = await hub.tokenOf("none", "acme");
  const path = "/v1/publishers/acme/members";
  const read = () => ask(hub, "GET", path, undefined, newcomer);
  const missing = await ask(hub, "GET", "/v1/publishers/absent/members", undefined, newcomer);
  expect(missing.status).toBe(404);
  const { requestId: _, ...body } = missing.body;
  expect(await read()).toMatchObject({ status: 404, body });
  await ask(hub, "PUT", `${path}/acme-none`, { role: "reader" });
  expect((await read()).status).toBe(200);
  await ask(hub, "DELETE", `${path}/acme-none`);
  expect((await read()).status).toBe(404);
});

test("when a token was last used is written down after the request", async () => {
  const issued = await issue({}, owner);
  await me(bearer(issued));
  await hub.deps.identity.recordUse();
  const { body } = await ask<{ items: { id: string; lastUsedAt?: string }[] }>(
    hub,
    "GET",
    "/v1/tokens?account=acme-owner",
  );
  const used = body.items.find(({ id }) => id === issued.id)?.lastUsedAt;
  expect(Math.abs(Date.now() - Date.parse(used ?? ""))).toBeLessThan(60_000);
});

test("tokens are listed in pages, and a cursor of another list is refused", async () => {
  const seen: string[] = [];
  let next = "";
  do {
    const page = await ask<{ items: { id: string }[]; next?: string }>(
      hub,
      "GET",
      `/v1/tokens?limit=2${next && `&cursor=${next}`}`,
      undefined,
      owner,
    );
    seen.push(...page.body.items.map(({ id }) => id));
    next = page.body.next ?? "";
  } while (next);
  const all = await ask<{ items: { id: string }[] }>(hub, "GET", "/v1/tokens", undefined, owner);
  expect(seen).toEqual(all.body.items.map(({ id }) => id));
  expect(seen.length).toBeGreaterThan(4);
  const publishers = await ask(hub, "GET", "/v1/publishers?limit=1");
  const wrong = await ask(hub, "GET", `/v1/tokens?cursor=${publishers.body.next}`, undefined, owner);
  expect(wrong).toMatchObject({ status: 400, body: { code: "invalid-request" } });
});
