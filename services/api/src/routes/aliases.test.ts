import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";

let hub: TestHub;
let digests: string[];
beforeAll(async () => {
  hub = await startTestHub();
  // The digest that the gateway chose, told back by the worker.
  hub.worker.behaviour.infer = (request, response) => {
    request.resume();
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ digest: request.headers["modulehub-digest"] }));
  };
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  digests = [];
  for (const number of [1, 2, 3]) {
    const { digest } = await publish(hub, "acme/open", moduleFiles(`open ${number}`), {
      ...(number === 1 && { visibility: "public" }),
    });
    digests.push(digest!);
  }
  await publish(hub, "acme/closed", moduleFiles("closed"), { visibility: "private" });
}, 60_000);
afterAll(() => hub.close());

const OPEN = "/v1/modules/acme/open";
const put = (alias: string, version: unknown, headers: Record<string, string> = hub.admin, module = OPEN) =>
  ask(hub, "PUT", `${module}/aliases/${alias}`, { version }, headers);
const names = async () => {
  const { body } = await ask<{ items: { alias: string; version: number }[] }>(hub, "GET", `${OPEN}/aliases`);
  return body.items.map(({ alias, version }) => `${alias} ${version}`);
};

test("an alias is made, moved, listed for everyone, and taken away", async () => {
  const made = await put("stable", 1);
  expect(made).toMatchObject({
    status: 201,
    body: { alias: "stable", version: 1, digest: digests[0] },
  });
  expect(made.headers.get("etag")).toBe('"1"');
  expect(await put("stable", 2)).toMatchObject({ status: 200, body: { version: 2, digest: digests[1] } });
  await put("Beta_1.0", 3);
  const listed = await ask(hub, "GET", `${OPEN}/aliases`, undefined, {});
  expect(listed).toMatchObject({
    status: 200,
    body: {
      items: [
        { alias: "Beta_1.0", version: 3 },
        { alias: "stable", version: 2 },
      ],
    },
  });
  const first = await ask<{ next: string }>(hub, "GET", `${OPEN}/aliases?limit=1`);
  const second = await ask(hub, "GET", `${OPEN}/aliases?limit=1&cursor=${first.body.next}`);
  expect(second.body).toMatchObject({ items: [{ alias: "stable" }] });
  expect(second.body).not.toHaveProperty("next");
  for (const alias of ["stable", "Beta_1.0"]) {
    expect((await ask(hub, "DELETE", `${OPEN}/aliases/${alias}`)).status).toBe(204);
    expect(await ask(hub, "DELETE", `${OPEN}/aliases/${alias}`)).toMatchObject({
      status: 404,
      body: { code: "alias-not-found" },
    });
  }
  expect(await names()).toEqual([]);
});

test("setting an alias to what it stands for already changes nothing", async () => {
  const { body } = await put("same", 2);
  expect(await put("same", 2)).toMatchObject({ status: 200, body });
  await ask(hub, "DELETE", `${OPEN}/aliases/same`);
});

test("what can't be meant is refused and changes nothing", async () => {
  await put("kept", 1);
  const before = await names();
  for (const alias of ["latest", "main", "HEAD", "3", "a".repeat(129), "-x", "f".repeat(40)])
    expect(await put(alias, 1)).toMatchObject({ status: 400, body: { code: "invalid-name" } });
  expect(await put("kept", 9)).toMatchObject({ status: 404, body: { code: "version-not-found" } });
  for (const version of [0, -1, 1.5, "2", 1e9, null])
    expect(await put("kept", version)).toMatchObject({ status: 400, body: { code: "invalid-request" } });
  expect(await ask(hub, "PUT", `${OPEN}/aliases/kept`, { version: 2, force: true })).toMatchObject({
    status: 400,
  });
  expect(await ask(hub, "GET", `${OPEN}/aliases?cursor=forged`)).toMatchObject({ status: 400 });
  expect(await names()).toEqual(before);
});

test("If-Match moves an alias only from where the caller believes it is", async () => {
  await put("checked", 1);
  const when = (tag: string) => ({ ...hub.admin, "if-match": tag });
  for (const tag of ['"2"', '"01x"'])
    expect(await put("checked", 3, when(tag))).toMatchObject({
      status: 412,
      body: { code: "precondition-failed" },
    });
  expect(await put("unmade", 3, when("*"))).toMatchObject({ status: 412 });
  expect(await put("checked", 3, when("1"))).toMatchObject({ status: 400 });
  expect(await put("checked", 2, when('"7", "1"'))).toMatchObject({ status: 200, body: { version: 2 } });
  expect(await put("checked", 3, when("*"))).toMatchObject({ status: 200, body: { version: 3 } });
  const remove = (tag: string) => ask(hub, "DELETE", `${OPEN}/aliases/checked`, undefined, when(tag));
  expect(await remove('"1"')).toMatchObject({ status: 412 });
  expect(await remove('"3"')).toMatchObject({ status: 204 });
});

test("of many that move an alias from the same version, one does", async () => {
  await put("raced", 1);
  const moves = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      put("raced", 2 + (index % 2), { ...hub.admin, "if-match": '"1"' }),
    ),
  );
  expect(moves.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412, 412, 412, 412, 412]);
});

test("many that make the same alias at once all succeed, one of them by making it", async () => {
  const made = await Promise.all(Array.from({ length: 6 }, () => put("born", 1)));
  expect(made.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 200, 201]);
});

test("only who may write sees that there is something to change", async () => {
  expect(await put("stable", 1, {})).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
  expect(await ask(hub, "DELETE", `${OPEN}/aliases/x`, undefined, {})).toMatchObject({ status: 401 });
  expect(await put("stable", 1, hub.workerToken)).toMatchObject({ status: 403 });
  const closed = await ask(hub, "GET", "/v1/modules/acme/closed/aliases", undefined, {});
  const missing = await ask(hub, "GET", "/v1/modules/acme/missing/aliases", undefined, {});
  expect(closed).toMatchObject({ status: 404, body: { code: "module-not-found" } });
  expect({ ...closed.body, requestId: "" }).toEqual({ ...missing.body, requestId: "" });
  expect(await put("x", 1, hub.admin, "/v1/modules/acme/missing")).toMatchObject({
    status: 404,
    body: { code: "module-not-found" },
  });
});

test("after the answer to a move, no run and no read sees the old version", async () => {
  const infer = () => ask<{ digest: string }>(hub, "POST", `${OPEN}/versions/moving/infer`, { inputs: {} });
  await put("moving", 1);
  for (let round = 1; round <= 12; round++) {
    const version = 1 + (round % 3);
    // Reads that are under way while the alias moves: what they looked up must not be remembered.
    const before = Array.from({ length: 10 }, infer);
    const moved = put("moving", version).then(async ({ status }) => {
      expect(status).toBe(200);
      return Promise.all([
        ...Array.from({ length: 10 }, infer),
        ask<{ digest: string }>(hub, "GET", `${OPEN}/versions/moving`),
        ask<{ digest: string }>(hub, "GET", "/v1/resolve?handle=acme/open@moving"),
      ]);
    });
    const [after] = await Promise.all([moved, ...before]);
    expect(new Set(after.map(({ body }) => body.digest))).toEqual(new Set([digests[version - 1]]));
  }
  await ask(hub, "DELETE", `${OPEN}/aliases/moving`);
  expect(await infer()).toMatchObject({ status: 404, body: { code: "version-not-found" } });
}, 30_000);
