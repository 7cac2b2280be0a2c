import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ask,
  digestOf,
  listOf,
  MANIFEST,
  moduleFiles,
  startTestHub,
  type TestHub,
} from "../testing/test-hub.ts";
import { MAX_FILES } from "./file-list.ts";

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
}, 60_000);
afterAll(() => hub.close());

const open = (paths: string[]) =>
  ask<{ code: string }>(hub, "POST", "/v1/modules/acme/tricks/drafts", {
    files: [
      ...listOf({ "module.json": MANIFEST }),
      ...paths.map((path) => ({ path, size: 1, digest: digestOf("x") })),
    ],
  });

test.each([
  ["a step up", ["../model.onnx"]],
  ["a step up inside", ["a/../../model.onnx"]],
  ["a step nowhere", ["a/./model.onnx"]],
  ["a path from the root", ["/etc/passwd"]],
  ["a drive", ["C:\\model.onnx"]],
  ["a backslash", ["a\\..\\model.onnx"]],
  ["a NUL", ["model\0.onnx"]],
  ["a line break", ["model\n.onnx"]],
  ["an empty segment", ["a//model.onnx"]],
  ["an empty name", [""]],
  ["a folder", ["a/"]],
  ["half a character", ["\ud800.onnx"]],
  ["one path twice", ["model.onnx", "model.onnx"]],
  ["another case", ["Model.onnx", "model.onnx"]],
  ["another case of a folder", ["A/one", "a/one"]],
  ["one name in two Unicode forms", ["caf\u00e9.onnx", "cafe\u0301.onnx"]],
  ["a file that is a folder too", ["a", "a/b"]],
])("%s is refused, and leaves nothing", async (_, paths) => {
  const refused = await open(paths);
  expect([refused.status, refused.body.code]).toEqual([400, "invalid-request"]);
  expect((await ask(hub, "GET", "/v1/modules/acme/tricks")).status).toBe(404);
});

test("a list of 100,000 files is refused at once, and the hub is none the worse", async () => {
  const files = Array.from({ length: 100_000 }, (_, n) => ({
    path: `f${n}`,
    size: 1,
    digest: digestOf("x"),
  }));
  const refused = await ask(hub, "POST", "/v1/modules/acme/many/drafts", { files });
  expect([400, 413]).toContain(refused.status);
  expect((await ask(hub, "GET", "/v1/modules/acme/many")).status).toBe(404);
  expect(MAX_FILES).toBe(10_000);
  const most = Array.from({ length: MAX_FILES - 3 }, (_, n) => ({
    path: `f${n}`,
    size: 1,
    digest: digestOf("x"),
  }));
  const taken = await ask(hub, "POST", "/v1/modules/acme/many/drafts", {
    files: [...listOf(moduleFiles("many")), ...most],
  });
  expect(taken.status).toBe(201);
}, 60_000);
