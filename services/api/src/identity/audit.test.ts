import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, moduleFiles, prepareDraft, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";

interface Entry {
  id: number;
  action: string;
  account?: string;
  token?: string;
  requestId?: string;
  module?: string;
  version?: number;
  detail: Record<string, unknown>;
}

let hub: TestHub;
let writer: { authorization: string };
let owner: { authorization: string };
beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  await ask(hub, "POST", "/v1/publishers", { id: "other" });
  owner = await hub.tokenOf("owner", "acme");
  writer = await hub.tokenOf("writer", "acme");
  await publish(hub, "acme/words", moduleFiles("one"));
}, 60_000);
afterAll(() => hub.close());

const audit = async (query: string, headers: Record<string, string> = hub.admin) =>
  (await ask<{ items: Entry[]; next?: string }>(hub, "GET", `/v1/audit?${query}`, undefined, headers)).body;

/** Makes a change as the writer, and reads the newest entry. */
async function change(method: string, path: string, body?: object): Promise<Entry> {
  const headers = { ...writer, "x-request-id": "the-request" };
  const answer = await ask(hub, method, path, body, headers);
  expect(answer.status).toBeLessThan(300);
  return (await audit("publisher=acme&limit=1")).items[0]!;
}

test("each change of a module says who made it, with which token and request", async () => {
  const path = "/v1/modules/acme/words";
  const { body } = await ask<{ token: { id: string } }>(hub, "GET", "/v1/me", undefined, writer);
  const who = {
    account: "acme-writer",
    token: body.token.id,
    requestId: "the-request",
    module: "acme/words",
  };
  const put = await change("PUT", `${path}/aliases/stable`, { version: 1 });
  expect(put).toMatchObject({ ...who, action: "module.alias", version: 1, detail: { alias: "stable" } });
  const yanked = await change("POST", `${path}/versions/1/yank`, { reason: "Wrong." });
  expect(yanked).toMatchObject({ ...who, action: "module.yank", version: 1, detail: { reason: "Wrong." } });
  const undone = await change("DELETE", `${path}/versions/1/yank`);
  expect(undone).toMatchObject({ ...who, action: "module.yank", detail: { undone: true } });
  const removed = await change("DELETE", `${path}/aliases/stable`);
  expect(removed).toMatchObject({ ...who, action: "module.alias", detail: { removed: true, before: 1 } });
  // Nothing changes, so nothing is written down.
  expect((await change("DELETE", `${path}/versions/1/yank`)).id).toBe(removed.id);
});

test("a published version names whoever asked for it, though a job made it", async () => {
  const draft = await prepareDraft(hub, "acme/words", moduleFiles("two"));
  const path = `/v1/drafts/${draft.body.id}`;
  await ask(hub, "POST", `${path}/publish`, undefined, { ...writer, "x-request-id": "asked" });
  await expect
    .poll(async () => (await audit("module=acme/words&limit=1")).items[0], { timeout: 10_000 })
    .toMatchObject({
      action: "module.publish",
      account: "acme-writer",
      requestId: "asked",
      version: 2,
      detail: { draft: draft.body.id },
    });
});

test("a publish that moves aliases says where they were before", async () => {
  const module = "acme/moving";
  const entry = async () => (await audit(`module=${module}&limit=1`)).items[0];
  await publish(hub, module, moduleFiles("one"), { aliases: ["stable"] });
  expect((await entry())?.detail).not.toHaveProperty("moved");
  const files = moduleFiles("two");
  for (const moved of [{ moved: [{ alias: "stable", before: 1 }] }, {}]) {
    const { id, digest } = await publish(hub, module, files, { version: 2, aliases: ["stable", "next"] });
    expect(await entry()).toMatchObject({ action: "module.publish", version: 2 });
    expect((await entry())?.detail).toEqual({ draft: id, digest, aliases: ["stable", "next"], ...moved });
  }
});

test("what was refused or failed leaves no entry", async () => {
  const before = (await audit("limit=1")).items[0]!.id;
  const alias = "/v1/modules/acme/words/aliases/stable";
  await ask(hub, "PUT", alias, { version: 99 });
  await ask(hub, "PUT", alias, { version: 1 }, await hub.tokenOf("none", "other"));
  await ask(hub, "DELETE", "/v1/publishers/acme");
  const after = (await audit("limit=1000")).items.filter(({ id }) => id > before);
  // The account and token of the outsider, made by the admin.
  expect(after.map(({ action }) => action).sort()).toEqual(["account.write", "token.write"]);
});

test("owners read their publishers' entries, and the admin all, in pages without gaps", async () => {
  const path = "/v1/audit";
  expect((await ask(hub, "GET", path, undefined, owner)).status).toBe(403);
  expect((await ask(hub, "GET", `${path}?publisher=other`, undefined, owner)).status).toBe(404);
  expect((await ask(hub, "GET", `${path}?publisher=acme`, undefined, writer)).status).toBe(403);
  expect((await ask(hub, "GET", `${path}?module=other/thing`, undefined, owner)).status).toBe(404);
  const { items } = await audit("publisher=acme", owner);
  expect(items.length).toBeGreaterThan(5);
  const paged: number[] = [];
  for (let query = "limit=2"; query !== ""; ) {
    const page = await audit(query);
    paged.push(...page.items.map(({ id }) => id));
    query = page.next === undefined ? "" : `limit=2&cursor=${page.next}`;
  }
  const all = (await audit("limit=1000")).items.map(({ id }) => id);
  expect(paged).toEqual(all);
  expect(all).toEqual([...all].sort((one, other) => other - one));
});

test("a module's entries are found under every name that it had", async () => {
  await publish(hub, "acme/first-name", moduleFiles("named"));
  await ask(hub, "PUT", "/v1/modules/acme/first-name", { module: "acme/second-name" });
  await ask(hub, "PUT", "/v1/modules/acme/second-name/aliases/stable", { version: 1 });
  for (const name of ["acme/first-name", "acme/second-name"]) {
    const { items } = await audit(`module=${name}`, owner);
    expect(items.map(({ action, module }) => `${action} ${module}`)).toEqual([
      "module.alias acme/second-name",
      "module.settings acme/second-name",
      "module.publish acme/first-name",
      "draft.write acme/first-name",
    ]);
  }
});

test("no entry holds a token", async () => {
  const text = JSON.stringify(await audit("limit=1000"));
  for (const { authorization } of [owner, writer, hub.admin])
    expect(text).not.toContain(authorization.slice("Bearer ".length));
  expect(text).not.toMatch(/mhs?_[\w-]{40}/);
});
