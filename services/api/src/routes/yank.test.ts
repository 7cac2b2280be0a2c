import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";

let hub: TestHub;
let digests: string[];
beforeAll(async () => {
  hub = await startTestHub();
  hub.worker.behaviour.infer = (request, response) => {
    request.resume();
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ digest: request.headers["modulehub-digest"] }));
  };
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  digests = [];
  for (const number of [1, 2]) {
    const { digest } = await publish(hub, "acme/open", moduleFiles(`open ${number}`), {
      ...(number === 1 && { visibility: "public" }),
      ...(number === 2 && { aliases: ["stable"] }),
    });
    digests.push(digest!);
  }
}, 60_000);
afterAll(() => hub.close());

const OPEN = "/v1/modules/acme/open";
const yank = (version: number | string, reason: unknown, headers = hub.admin as Record<string, string>) =>
  ask(hub, "POST", `${OPEN}/versions/${version}/yank`, { reason }, headers);
const unyank = (version: number | string) => ask(hub, "DELETE", `${OPEN}/versions/${version}/yank`);
const read = (reference: string) =>
  ask<{ version: number; yanked?: unknown }>(hub, "GET", `${OPEN}/versions/${reference}`);
const infer = (path: string) => ask<{ digest: string }>(hub, "POST", `${OPEN}/${path}`, { inputs: {} });
const listed = async () => {
  const { body } = await ask<{ items: { latest?: { version: number } }[] }>(hub, "GET", "/v1/modules");
  return body.items[0]?.latest?.version;
};

test("a yanked version is no longer the latest, and still there by number, digest and alias", async () => {
  expect((await infer("infer")).body.digest).toBe(digests[1]);
  const before = new Date().toISOString();
  const answer = await yank(2, "  Wrong vectors. ");
  expect(answer).toMatchObject({
    status: 200,
    body: { version: 2, digest: digests[1], yanked: { reason: "Wrong vectors." } },
  });
  const { yanked } = answer.body as { yanked: { reason: string; at: string } };
  expect(yanked.at >= before && yanked.at <= new Date().toISOString()).toBe(true);

  expect((await infer("infer")).body.digest).toBe(digests[0]);
  expect((await read("latest")).body).toMatchObject({ version: 1 });
  expect((await read("latest")).body).not.toHaveProperty("yanked");
  expect(await listed()).toBe(1);
  for (const reference of ["2", "stable", digests[1]!]) {
    expect((await read(reference)).body).toMatchObject({ version: 2, yanked });
    expect((await infer(`versions/${reference}/infer`)).body.digest).toBe(digests[1]);
  }
  const versions = await ask(hub, "GET", `${OPEN}/versions`, undefined, {});
  expect(versions.body).toMatchObject({ items: [{ version: 2, yanked }, { version: 1 }] });
  const page = await fetch(`${hub.url}/acme/open/2`, { headers: { accept: "text/html" } });
  expect(await page.text()).toContain("Wrong vectors.");
});

test("yanking again keeps the time and takes the new reason", async () => {
  const first = await yank(2, "Wrong vectors.");
  const again = await yank(2, "Wrong vectors.");
  expect(again.body).toEqual(first.body);
  const other = await yank(2, "They are shifted by one.");
  expect(other.body).toEqual({
    ...first.body,
    yanked: { ...(first.body.yanked as object), reason: "They are shifted by one." },
  });
});

test("publishing the same content again does not bring a yanked version back", async () => {
  const files = moduleFiles("open 2");
  expect(await publish(hub, "acme/open", files, { version: 2 })).toMatchObject({ state: "published" });
  expect((await read("latest")).body.version).toBe(1);
});

test("where everything is yanked, latest says so", async () => {
  await yank(1, "Also wrong.");
  expect(await read("latest")).toMatchObject({
    status: 404,
    body: {
      code: "version-not-found",
      detail: "All versions are yanked; name one exactly, such as acme/open/2.",
    },
  });
  expect(await infer("infer")).toMatchObject({ status: 404 });
  expect(await listed()).toBeUndefined();
  expect((await ask(hub, "GET", "/v1/modules", undefined, {})).body).toEqual({ items: [] });
});

test("a withdrawal can be taken back, once or twice", async () => {
  for (const version of [2, 2, 1]) expect((await unyank(version)).status).toBe(204);
  expect((await infer("infer")).body.digest).toBe(digests[1]);
  expect((await read("2")).body).not.toHaveProperty("yanked");
  expect(await listed()).toBe(2);
});

test("an alias may be put on a yanked version, and follows nothing", async () => {
  await yank(1, "Old.");
  const { status } = await ask(hub, "PUT", `${OPEN}/aliases/legacy`, { version: 1 });
  expect(status).toBe(201);
  expect((await infer("versions/legacy/infer")).body.digest).toBe(digests[0]);
  await unyank(1);
});

test("what can't be meant is refused and changes nothing", async () => {
  for (const reason of ["", "   ", "x".repeat(1001), 7, "a\u0000b", undefined])
    expect(await yank(2, reason)).toMatchObject({ status: 400, body: { code: "invalid-request" } });
  // Sent twice, the first of these would withdraw two versions.
  for (const reference of ["latest", "stable", digests[1]!, "0"])
    expect(await yank(reference, "No.")).toMatchObject({ status: 400, body: { code: "invalid-request" } });
  expect(await yank(9, "No.")).toMatchObject({ status: 404, body: { code: "version-not-found" } });
  expect(await unyank(9)).toMatchObject({ status: 404, body: { code: "version-not-found" } });
  expect(await yank(2, "No.", {})).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
  expect(await yank(2, "No.", hub.workerToken)).toMatchObject({ status: 403 });
  const missing = await ask(hub, "POST", "/v1/modules/acme/none/versions/1/yank", { reason: "No." });
  expect(missing).toMatchObject({ status: 404, body: { code: "module-not-found" } });
  expect(await listed()).toBe(2);
});

test("after the answer to a yank, no run of the latest reaches that version", async () => {
  for (let round = 0; round < 10; round++) {
    const under = Array.from({ length: 8 }, () => infer("infer"));
    const change = round % 2 === 0 ? yank(2, "Flapping.") : unyank(2);
    const after = change.then(() => Promise.all(Array.from({ length: 8 }, () => infer("infer"))));
    const [answers] = await Promise.all([after, ...under]);
    const expected = digests[round % 2 === 0 ? 0 : 1];
    expect(new Set(answers.map(({ body }) => body.digest))).toEqual(new Set([expected]));
  }
}, 30_000);
