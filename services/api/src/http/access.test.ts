import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";

let hub: TestHub;
let token: string;
beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  await publish(hub, "acme/secret", moduleFiles("one"));
  token = (await hub.tokenOf("owner", "acme")).authorization.slice("Bearer ".length);
}, 60_000);
afterAll(() => hub.close());

const NOBODY = `Bearer mh_${"A".repeat(43)}`;
const get = (path: string, headers: Record<string, string> = {}) => fetch(hub.url + path, { headers });

test("a token in the query reads a private module, its files and its archive", async () => {
  for (const path of [
    "/acme/secret/1?",
    "/acme/secret/1?tf-hub-format=compressed&",
    "/v1/modules/acme/secret?",
    "/v1/modules/acme/secret/versions/1/files/model.onnx?",
    "/v1/modules/acme/secret/versions/1/archive?",
    "/v1/resolve?handle=acme/secret&",
  ]) {
    expect((await get(path)).status, path).toBe(404);
    const answer = await get(`${path}token=${token}`);
    expect(answer.status, path).toBe(200);
    expect(await answer.text()).not.toContain(token);
  }
  const other = await get(`/acme/secret/1?token=${NOBODY.slice("Bearer ".length)}`);
  expect(other.status).toBe(401);
  expect((await get(`/acme/secret/1?token=${token}&token=${token}`)).status).toBe(401);
});

test("a token in the query changes nothing and runs nothing, and is nobody's where only a header is looked at", async () => {
  const send = (method: string, path: string, body?: object) =>
    fetch(`${hub.url}${path}?token=${token}`, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
  expect((await send("PUT", "/v1/modules/acme/secret/aliases/stable", { version: 1 })).status).toBe(401);
  expect((await send("POST", "/v1/modules/acme/secret/infer", { inputs: {} })).status).toBe(404);
  expect((await send("GET", "/v1/me")).status).toBe(401);
  expect((await send("GET", "/v1/publishers/acme/members")).status).toBe(401);
});

test("the header wins over the query", async () => {
  const path = `/v1/modules/acme/secret?token=${token}`;
  expect((await get(path, { authorization: NOBODY })).status).toBe(401);
  expect((await get(path, await hub.tokenOf("none", "acme"))).status).toBe(404);
  const good = { authorization: `Bearer ${token}` };
  expect((await get("/v1/modules/acme/secret?token=damaged", good)).status).toBe(200);
});

test("no log line holds a token, wherever it was sent", async () => {
  const damaged = `${token}&cursor=damaged`;
  await get(`/v1/modules/acme/secret/versions?token=${damaged}`);
  await get(`/nowhere/at/all?token=${token}`);
  await get(`/v1/nowhere?token=${token}`);
  await get("/v1/me", { authorization: `Bearer ${token}` });
  expect(hub.log.length).toBeGreaterThan(4);
  expect(hub.log.join("\n")).not.toContain(token);
});
