import { INTERNAL_ROUTES } from "@modulehub/core";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  ask,
  digestOf,
  moduleFiles,
  prepareDraft,
  publish,
  settled,
  startTestHub,
  type TestHub,
} from "../testing/test-hub.ts";

let hub: TestHub;
let module: string;
let count = 0;
beforeAll(async () => {
  hub = await startTestHub();
  hub.worker.behaviour.infer = (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      response.writeHead(200, { "content-type": "application/json" });
      const body = Buffer.concat(chunks).toString();
      response.end(JSON.stringify({ digest: request.headers["modulehub-digest"], body }));
    });
  };
  for (const id of ["acme", "other", "third"]) await ask(hub, "POST", "/v1/publishers", { id });
}, 60_000);
afterAll(() => hub.close());
beforeEach(async () => {
  module = `acme/m${++count}`;
  await publish(hub, module, moduleFiles(module), { visibility: "public", aliases: ["stable"] });
});

type Headers = Record<string, string>;
const change = (name: string, settings: unknown, headers: Headers = hub.admin) =>
  ask(hub, "PUT", `/v1/modules/${name}`, settings, headers);
const status = async (name: string, headers: Headers) =>
  (await ask(hub, "GET", `/v1/modules/${name}`, undefined, headers)).status;
const location = async (path: string, init: RequestInit = {}) => {
  const answer = await fetch(hub.url + path, { redirect: "manual", ...init });
  return [answer.status, answer.headers.get("location")];
};

test("a module that is made private is hidden at once from who may not see it, and shown again", async () => {
  const outsider = await hub.tokenOf("none", "acme");
  const run = async () =>
    (await ask(hub, "POST", `/v1/modules/${module}/infer`, { inputs: {} }, outsider)).status;
  const listed = async () => {
    const { body } = await ask<{ items: { module: string }[] }>(
      hub,
      "GET",
      "/v1/modules?limit=1000",
      undefined,
      {},
    );
    return body.items.some((item) => item.module === module);
  };
  expect([await run(), await status(module, outsider), await listed()]).toEqual([200, 200, true]);
  expect(await change(module, { visibility: "private" })).toMatchObject({
    status: 200,
    body: { module, visibility: "private" },
  });
  expect([await run(), await status(module, outsider), await listed()]).toEqual([404, 404, false]);
  expect(await status(module, await hub.tokenOf("reader", "acme"))).toBe(200);
  await change(module, { visibility: "public" });
  expect([await run(), await status(module, outsider), await listed()]).toEqual([200, 200, true]);
  const audit = await ask<{ items: object[] }>(
    hub,
    "GET",
    `/v1/audit?publisher=acme&module=${module}&limit=1`,
  );
  expect(audit.body.items).toMatchObject([
    { action: "module.settings", detail: { visibility: "public", before: "private" } },
  ]);
});

test("a renamed module is where its new name says, and its old name redirects each route there, query and all", async () => {
  const to = `${module}/renamed`;
  const { body } = await ask<{ digest: string }>(hub, "GET", `/v1/modules/${module}/versions/1`);
  expect(await change(module, { module: to })).toMatchObject({ status: 200, body: { module: to } });
  expect(await ask(hub, "GET", `/v1/modules/${to}/versions/1`)).toMatchObject({
    body: { digest: body.digest },
  });
  for (const [old, present] of [
    [`/${module}`, `/${to}`],
    [`/${module}/1?tf-hub-format=compressed`, `/${to}/1?tf-hub-format=compressed`],
    [`/${module}@stable`, `/${to}@stable`],
    [`/${module}@${body.digest}`, `/${to}@${body.digest}`],
    [`/v1/modules/${module}`, `/v1/modules/${to}`],
    [`/v1/modules/${module}/versions?limit=1`, `/v1/modules/${to}/versions?limit=1`],
    [
      `/v1/modules/${module}/versions/1/files/model.onnx?a=b?c`,
      `/v1/modules/${to}/versions/1/files/model.onnx?a=b?c`,
    ],
    [`/v1/modules/${module}/versions/1/archive`, `/v1/modules/${to}/versions/1/archive`],
    [`/v1/modules/${module}/versions/1/documentation`, `/v1/modules/${to}/versions/1/documentation`],
  ] as const) {
    expect(await location(old), old).toEqual([308, present]);
    expect(await location(old, { method: "HEAD" }), old).toEqual([308, present]);
    expect((await fetch(hub.url + old)).status, old).toBe(200);
  }
  const infer = `/v1/modules/${module}/versions/stable/infer`;
  expect(await location(infer, { method: "POST", body: "{}" })).toEqual([308, infer.replace(module, to)]);
  const answer = await fetch(hub.url + infer, {
    method: "POST",
    body: '{"inputs":{}}',
    headers: { "content-type": "application/json" },
  });
  expect(await answer.json()).toEqual({ digest: body.digest, body: '{"inputs":{}}' });
  const resolved = await ask(hub, "GET", `/v1/resolve?handle=${module}/1`, undefined, {});
  expect(resolved).toMatchObject({ status: 200, body: { module: to, handle: `${to}/1` } });
});

test("changes by the old name are redirected too, and a draft of it becomes a version of the new one", async () => {
  const to = `${module}-new`;
  await change(module, { module: to });
  const draft = await prepareDraft(hub, module, moduleFiles(`${module} 2`));
  expect(draft).toMatchObject({ status: 201, body: { module: to } });
  await ask(hub, "POST", `/v1/drafts/${draft.body.id}/publish`);
  expect(await settled(hub, draft.body.id)).toMatchObject({ state: "published", version: 2 });
  expect(
    await location(`/v1/modules/${module}/aliases/stable`, {
      method: "PUT",
      body: '{"version":2}',
      headers: { ...hub.admin, "content-type": "application/json" },
    }),
  ).toEqual([308, `/v1/modules/${to}/aliases/stable`]);
});

test("renamed twice, every former name leads straight to the present one, and back to one of its own it may go", async () => {
  const [one, two, three] = [module, `${module}-b`, `${module}-c`];
  await change(one, { module: two });
  await change(two, { module: three });
  for (const former of [one, two]) expect(await location(`/${former}/1`)).toEqual([308, `/${three}/1`]);
  expect(await change(three, { module: one })).toMatchObject({ status: 200, body: { module: one } });
  for (const former of [two, three]) expect(await location(`/${former}/1`)).toEqual([308, `/${one}/1`]);
  expect(await status(one, {})).toBe(200);
  expect(await change(one, { module: one })).toMatchObject({ status: 200 });
});

test("a name that was spelled anew and then given up leads on in each spelling that it had", async () => {
  const [first, second, third] = [`${module}-Word`, `${module}-word`, `${module}-third`];
  await change(module, { module: first });
  await change(first, { module: second });
  expect(await location(`/${first}/1`)).toEqual([308, `/${second}/1`]);
  await change(second, { module: third });
  for (const former of [first, second]) expect(await location(`/${former}/1`)).toEqual([308, `/${third}/1`]);
});

test("workers find a module by a former name too", async () => {
  const to = `${module}-pinned`;
  const meaning = async (handle: string) =>
    (await ask(hub, "GET", `${INTERNAL_ROUTES.resolve}?handle=${handle}`, undefined, hub.workerToken)).body;
  await change(module, { module: to, visibility: "private" });
  expect(await meaning(`${to}@stable`)).toHaveProperty("digest");
  expect(await meaning(`${module}@stable`)).toEqual(await meaning(`${to}@stable`));
});

test("a former name is no other module's, in no spelling", async () => {
  module = `acme/a${count}/b`;
  await publish(hub, module, moduleFiles(module));
  await change(module, { module: `acme/a${count}c` });
  const another = `acme/another${count}`;
  await publish(hub, another, moduleFiles(another));
  for (const name of [module.replace("/b", "/B"), module.replace("/b", ".b")]) {
    expect(await prepareDraft(hub, name, moduleFiles("x")), name).toMatchObject({
      status: 409,
      body: { code: "name-taken" },
    });
    expect(await change(another, { module: name }), name).toMatchObject({ body: { code: "name-taken" } });
  }
  expect(await change(another, { module })).toMatchObject({ status: 409, body: { code: "name-taken" } });
  await ask(hub, "DELETE", `/v1/modules/acme/a${count}c`);
  expect(await change(another, { module })).toMatchObject({ status: 410, body: { code: "gone" } });
  for (const name of [module, `acme/a${count}c`]) expect(await status(name, hub.admin), name).toBe(410);
  expect(await status(another, hub.admin)).toBe(200);
});

test("a deleted number stays deleted under the new name", async () => {
  await publish(hub, module, moduleFiles(`${module} 2`));
  await ask(hub, "DELETE", `/v1/modules/${module}/versions/2`);
  const to = `${module}-kept`;
  await change(module, { module: to });
  expect(await ask(hub, "GET", `/v1/modules/${to}/versions/2`)).toMatchObject({ status: 410 });
  expect(await prepareDraft(hub, to, moduleFiles("x"), { version: 2 })).toMatchObject({ status: 410 });
});

test("a transfer needs an owner of both publishers, and takes what belongs to the module along", async () => {
  const owner = await hub.tokenOf("owner", "acme");
  const to = `other/m${count}`;
  expect(await change(module, { module: to }, owner)).toMatchObject({ status: 403 });
  await ask(hub, "PUT", "/v1/publishers/other/members/acme-owner", { role: "writer" });
  expect(await change(module, { module: to }, owner)).toMatchObject({ status: 403 });
  expect((await fetch(`${hub.url}/${module}`)).redirected).toBe(false);
  await ask(hub, "PUT", "/v1/publishers/other/members/acme-owner", { role: "owner" });
  expect(await change(module, { module: to }, owner)).toMatchObject({
    status: 200,
    body: { publisher: "other" },
  });
  // The bytes are the new publisher's: nothing is missing of the same files.
  const draft = await prepareDraft(hub, to, moduleFiles(module), { version: 1 });
  expect(draft.body.missing).toEqual([]);
  const audit = async (publisher: string) =>
    (await ask<{ items: object[] }>(hub, "GET", `/v1/audit?publisher=${publisher}&limit=2`)).body.items;
  const entry = { action: "module.settings", account: "acme-owner", detail: { module: to, before: module } };
  expect(await audit("acme")).toEqual(expect.arrayContaining([expect.objectContaining(entry)]));
  expect(await audit("other")).toEqual(expect.arrayContaining([expect.objectContaining(entry)]));
  expect(await change(to, { module: `nobody/m${count}` })).toMatchObject({ status: 404 });
});

test("where a private module has gone is told to its readers only", async () => {
  const to = `third/m${count}`;
  await change(module, { module: to, visibility: "private" });
  expect(await status(module, await hub.tokenOf("reader", "third"))).toBe(200);
  for (const headers of [await hub.tokenOf("none", "third"), await hub.tokenOf("reader", "acme"), {}])
    expect(await status(module, headers)).toBe(404);
  expect(await prepareDraft(hub, module, moduleFiles("x"))).toMatchObject({
    status: 201,
    body: { module: to },
  });
  const writer = await hub.tokenOf("writer", "acme");
  const files = [{ path: "module.json", size: 1, digest: digestOf("x") }];
  const taken = await ask(hub, "POST", `/v1/modules/${module}/drafts`, { files }, writer);
  expect(taken).toMatchObject({ status: 409, body: { code: "name-taken" } });
});

test("that a private module was deleted after a transfer is told to readers of the publisher that it had then", async () => {
  const to = `third/m${count}`;
  await change(module, { module: to, visibility: "private" });
  const removed = await ask(hub, "DELETE", `/v1/modules/${to}?reason=Leaked.`);
  expect(removed.status).toBe(204);
  const reader = await hub.tokenOf("reader", "third");
  const former = await hub.tokenOf("owner", "acme");
  for (const name of [module, to]) {
    const told = await ask(hub, "GET", `/v1/modules/${name}`, undefined, reader);
    expect(told, name).toMatchObject({ status: 410, body: { detail: expect.stringContaining("Leaked.") } });
    for (const headers of [former, {}]) {
      const answer = await ask(hub, "GET", `/v1/modules/${name}`, undefined, headers);
      expect(answer, name).toMatchObject({ status: 404, body: { code: "module-not-found" } });
    }
  }
  // The old publisher does not get its name back either, and hears no more than that.
  const files = [{ path: "module.json", size: 1, digest: digestOf("x") }];
  const another = `acme/after${count}`;
  await publish(hub, another, moduleFiles(another));
  for (const answer of [
    await ask(hub, "POST", `/v1/modules/${module}/drafts`, { files }, former),
    await change(another, { module }, former),
  ])
    expect(answer).toMatchObject({ status: 409, body: { code: "name-taken" } });
});

test("settings that can't be are refused, and change nothing", async () => {
  for (const [settings, code] of [
    [{}, "invalid-request"],
    [{ visibility: "secret" }, "invalid-request"],
    [{ visibility: "private", other: 1 }, "invalid-request"],
    [{ module: "acme" }, "invalid-name"],
    [{ module: "acme/versions" }, "invalid-name"],
    [{ module: "acme/../x" }, "invalid-name"],
    [{ module: `acme/${"x".repeat(100)}` }, "invalid-name"],
    [{ module: "acme/x", visibility: "private", version: 1 }, "invalid-request"],
  ] as const)
    expect(await change(module, settings), JSON.stringify(settings)).toMatchObject({
      status: 400,
      body: { code },
    });
  for (const [role, expected] of [
    ["writer", 403],
    ["reader", 403],
    ["none", 403],
  ] as const)
    expect((await change(module, { visibility: "private" }, await hub.tokenOf(role, "acme"))).status).toBe(
      expected,
    );
  expect((await change(module, { visibility: "private" }, {})).status).toBe(401);
  expect(await ask(hub, "GET", `/v1/modules/${module}`)).toMatchObject({
    body: { module, visibility: "public" },
  });
});

test("of two modules that want one name, one gets it", async () => {
  const other = `${module}-other`;
  await publish(hub, other, moduleFiles(other));
  const wanted = `${module}-wanted`;
  const answers = await Promise.all([module, other].map((name) => change(name, { module: wanted })));
  expect(answers.map((answer) => answer.status).sort()).toEqual([200, 409]);
});

test("a rename beside a publish leaves one module, with the version under its new name", async () => {
  const draft = await prepareDraft(hub, module, moduleFiles(`${module} 2`));
  const to = `${module}-raced`;
  const [, renamed] = await Promise.all([
    ask(hub, "POST", `/v1/drafts/${draft.body.id}/publish`),
    change(module, { module: to }),
  ]);
  expect(renamed.status).toBe(200);
  expect(await settled(hub, draft.body.id)).toMatchObject({ state: "published", version: 2 });
  expect(await ask(hub, "POST", `/v1/modules/${to}/infer`, {})).toMatchObject({ status: 200 });
  expect(await ask(hub, "GET", `/v1/modules/${to}/versions/latest`)).toMatchObject({ body: { version: 2 } });
});
