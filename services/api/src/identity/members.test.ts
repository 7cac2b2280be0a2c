import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";

let hub: TestHub;
let someone: { authorization: string };
beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "house" });
  someone = await hub.tokenOf("none", "house");
}, 60_000);
afterAll(() => hub.close());

test("whoever makes a publisher owns it", async () => {
  const made = await ask(hub, "POST", "/v1/publishers", { id: "mine" }, someone);
  expect(made).toMatchObject({ status: 201, body: { id: "mine", displayName: "mine" } });
  const members = await ask(hub, "GET", "/v1/publishers/mine/members", undefined, someone);
  expect(members.body).toMatchObject({ items: [{ account: "house-none", role: "owner" }] });
  const forOther = { id: "theirs", owner: "nobody-else" };
  expect((await ask(hub, "POST", "/v1/publishers", forOther, someone)).status).toBe(403);
  expect(await ask(hub, "POST", "/v1/publishers", forOther)).toMatchObject({
    status: 404,
    body: { code: "account-not-found" },
  });
  // Refused, it was not made either.
  expect((await ask(hub, "GET", "/v1/publishers/theirs")).status).toBe(404);
});

test("the last owner can't be removed or demoted, but by the admin", async () => {
  await ask(hub, "POST", "/v1/publishers", { id: "single" }, someone);
  const path = "/v1/publishers/single/members/house-none";
  const refused = { status: 409, body: { code: "last-owner" } };
  expect(await ask(hub, "DELETE", path, undefined, someone)).toMatchObject(refused);
  expect(await ask(hub, "PUT", path, { role: "writer" }, someone)).toMatchObject(refused);
  const second = await hub.tokenOf("owner", "single");
  expect((await ask(hub, "PUT", path, { role: "writer" }, second)).status).toBe(200);
  expect((await ask(hub, "DELETE", "/v1/publishers/single/members/single-owner")).status).toBe(204);
});

test("two owners who remove each other at the same time leave one", async () => {
  await ask(hub, "POST", "/v1/publishers", { id: "duel" }, someone);
  const second = await hub.tokenOf("owner", "duel");
  const answers = await Promise.all([
    ask(hub, "DELETE", "/v1/publishers/duel/members/duel-owner", undefined, someone),
    ask(hub, "DELETE", "/v1/publishers/duel/members/house-none", undefined, second),
  ]);
  expect(answers.map(({ status }) => status).sort()).not.toEqual([204, 204]);
  const left = await ask<{ items: unknown[] }>(hub, "GET", "/v1/publishers/duel/members");
  expect(left.body.items).toHaveLength(1);
});

test("accounts are made by the admin, under names of the publishers' grammar", async () => {
  for (const id of ["Upper", "two--dashes", "admin", "anonymous", "a/b", ""])
    expect(await ask(hub, "POST", "/v1/accounts", { id })).toMatchObject({
      status: 400,
      body: { code: "invalid-name" },
    });
  expect((await ask(hub, "POST", "/v1/accounts", { id: "robot" }, someone)).status).toBe(403);
  const made = await ask(hub, "POST", "/v1/accounts", { id: "robot", displayName: "The robot" });
  expect(made).toMatchObject({ status: 201, body: { id: "robot", displayName: "The robot" } });
  expect(await ask(hub, "POST", "/v1/accounts", { id: "robot" })).toMatchObject({
    status: 409,
    body: { code: "name-taken" },
  });
  expect(await ask(hub, "PATCH", "/v1/accounts/robot", {})).toMatchObject({
    status: 400,
    body: { code: "invalid-request" },
  });
  const { body } = await ask<{ items: { id: string }[] }>(hub, "GET", "/v1/accounts");
  const ids = body.items.map(({ id }) => id);
  expect(ids).toEqual([...ids].sort());
  expect(ids).toContain("admin");
});

test("what accounts and publishers are called can be seen, and has no space around it", async () => {
  await ask(hub, "POST", "/v1/accounts", { id: "named", displayName: " Named " });
  await ask(hub, "POST", "/v1/publishers", { id: "called", displayName: "\tCalled" });
  for (const displayName of ["", " ", "\n\u00a0\t"])
    for (const [method, path, body] of [
      ["POST", "/v1/accounts", { id: "blank", displayName }],
      ["PATCH", "/v1/accounts/named", { displayName }],
      ["POST", "/v1/publishers", { id: "blank", displayName }],
      ["PATCH", "/v1/publishers/called", { displayName }],
    ] as const)
      expect(await ask(hub, method, path, body), `${method} ${path}`).toMatchObject({
        status: 400,
        body: { code: "invalid-request" },
      });
  const { body } = await ask<{ items: object[] }>(hub, "GET", "/v1/accounts");
  expect(body.items).toContainEqual(expect.objectContaining({ id: "named", displayName: "Named" }));
  expect(body.items).not.toContainEqual(expect.objectContaining({ id: "blank" }));
  expect(await ask(hub, "GET", "/v1/publishers/called")).toMatchObject({ body: { displayName: "Called" } });
  expect((await ask(hub, "GET", "/v1/publishers/blank")).status).toBe(404);
});

test("a publisher is deleted once it is empty, and its name is never used again", async () => {
  await ask(hub, "POST", "/v1/publishers", { id: "full" });
  await publish(hub, "full/words", moduleFiles("one"));
  expect(await ask(hub, "DELETE", "/v1/publishers/full")).toMatchObject({
    status: 409,
    body: { code: "publisher-not-empty" },
  });
  await ask(hub, "POST", "/v1/publishers", { id: "empty" }, someone);
  expect((await ask(hub, "DELETE", "/v1/publishers/empty", undefined, someone)).status).toBe(204);
  for (const path of ["/v1/publishers/empty", "/empty", "/v1/publishers/empty/members"])
    expect(await ask(hub, "GET", path), path).toMatchObject({ status: 410, body: { code: "gone" } });
  expect(await ask(hub, "POST", "/v1/publishers", { id: "empty" }, someone)).toMatchObject({
    status: 410,
    body: { code: "gone" },
  });
});
