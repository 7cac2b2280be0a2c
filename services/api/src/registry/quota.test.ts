import { EMPTY_REVISION } from "@modulehub/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ask,
  digestOf,
  listOf,
  publish,
  startTestHub,
  type TestHub,
  uploadBytes,
} from "../testing/test-hub.ts";

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
  for (const id of ["acme", "other"]) await ask(hub, "POST", "/v1/publishers", { id });
}, 60_000);
afterAll(() => hub.close());

const QUOTA = "/v1/publishers/acme/quota";
const quota = async () => (await ask<{ used: number; quota?: number }>(hub, "GET", QUOTA)).body;
const setQuota = (bytes: number | null) => ask(hub, "PUT", QUOTA, { bytes });
const manifest = JSON.stringify({
  schemaVersion: 1,
  task: "other",
  signatures: {
    default: {
      inputs: { x: { dtype: "float32", shape: ["batch"] } },
      outputs: { y: { dtype: "float32", shape: ["batch"] } },
    },
  },
});
const files = (graph: string) => ({ "module.json": manifest, "model.onnx": graph });
const REFUSED = { status: 413, body: { code: "quota-exceeded" } };

test("what a publisher keeps is counted once, and nothing that would pass its quota is begun", async () => {
  expect(await quota()).toEqual({ publisher: "acme", used: 0 });
  await publish(hub, "acme/words", files("x".repeat(1_000)));
  // A second version of the same module.json and another graph.
  await publish(hub, "acme/words", files("y".repeat(500)));
  const used = manifest.length + 1_500;
  expect(await quota()).toEqual({ publisher: "acme", used });

  await setQuota(used + 100);
  expect(await quota()).toEqual({ publisher: "acme", used, quota: used + 100 });
  expect(await ask(hub, "POST", "/v1/uploads", { publisher: "acme", size: 101 })).toMatchObject(REFUSED);
  const opened = await ask<{ id: string }>(hub, "POST", "/v1/uploads", { publisher: "acme", size: 60 });
  expect(opened.status).toBe(201);
  // What is on its way counts.
  expect(await ask(hub, "POST", "/v1/uploads", { publisher: "acme", size: 41 })).toMatchObject(REFUSED);
  await ask(hub, "DELETE", `/v1/uploads/${opened.body.id}`);

  const draft = (graph: string) =>
    ask(hub, "POST", "/v1/modules/acme/words/drafts", { files: listOf(files(graph)) });
  expect(await draft("z".repeat(101))).toMatchObject(REFUSED);
  // Bytes that are there need no room.
  expect((await draft("y".repeat(500))).status).toBe(201);
  expect((await draft("z".repeat(100))).status).toBe(201);

  // Bytes of another's public module would be kept for this publisher too.
  const theirs = "t".repeat(200);
  await publish(hub, "other/open", files(theirs), { visibility: "public" });
  expect(await draft(theirs)).toMatchObject(REFUSED);
  const commit = {
    parent: EMPTY_REVISION,
    operations: [{ kind: "put", path: "model.onnx", size: 200, digest: digestOf(theirs) }],
  };
  const commits = "/v1/modules/acme/pushed/head/commits";
  expect(await ask(hub, "POST", commits, commit)).toMatchObject(REFUSED);
  await setQuota(null);
  expect((await ask(hub, "POST", commits, commit)).status).toBe(201);
  expect((await quota()).used).toBe(used + 200);
});

test("a quota below what is kept keeps that, and takes nothing more", async () => {
  await setQuota(0);
  const again = await ask(hub, "POST", "/v1/modules/acme/words/drafts", {
    files: listOf(files("x".repeat(1_000))),
  });
  expect(again.status).toBe(201);
  expect(await ask(hub, "POST", "/v1/uploads", { publisher: "acme", size: 1 })).toMatchObject(REFUSED);
  // Others are not concerned.
  await uploadBytes(hub, "other", Buffer.from("anything"));
  const owner = await hub.tokenOf("owner", "acme");
  expect((await ask(hub, "PUT", QUOTA, { bytes: null }, owner)).status).toBe(403);
  expect((await ask(hub, "GET", QUOTA, undefined, owner)).status).toBe(200);
  for (const bytes of [-1, 1.5, "1", 2 ** 60])
    expect((await ask(hub, "PUT", QUOTA, { bytes })).status).toBe(400);
});
