import { PROBLEMS } from "@modulehub/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { goodModule, hostileModules } from "../fixtures/hostile-modules.ts";
import { call, cleanUp, type RunningHub, startHub } from "./hub.ts";
import { publishFiles, upload } from "./publish-files.ts";

/** Every bad module of the catalogue is refused with its code, leaves nothing, and harms nothing. */

let hub: RunningHub;
beforeAll(async () => {
  hub = await startHub();
  expect(await publishFiles(hub, "acme/good", goodModule())).toMatchObject({ state: "published" });
});
afterAll(cleanUp);

const serves = async (): Promise<void> => {
  const answer = await call(hub, "POST", "/v1/modules/acme/good/infer", { inputs: { x: [[-1, 2, -3, 4]] } });
  expect(await answer.json()).toMatchObject({
    outputs: { y: { dtype: "float32", shape: [1, 4], data: [0, 2, 0, 4] } },
  });
};

for (const [index, { name, codes, files }] of hostileModules().entries())
  test(`${name} is refused, with ${codes.join(" or ")}`, async () => {
    const module = `acme/bad-${index}`;
    const { state, problems } = await publishFiles(hub, module, files);
    expect(["rejected", "refused"]).toContain(state);
    expect(problems.length).toBeGreaterThan(0);
    const [first] = problems;
    expect(codes, JSON.stringify(problems)).toContain(first!.code);
    expect(first!.status).toBe(PROBLEMS[first!.code].status);
    // A sentence, and nothing of the server in it.
    const said = `${first!.title} ${first!.detail ?? ""}`;
    expect(said).toMatch(/\.$/);
    expect(JSON.stringify(problems)).not.toContain(hub.data);
    expect(JSON.stringify(problems)).not.toMatch(/\/tmp\/|node_modules|\.ts:\d+/);
    const versions = await call(hub, "GET", `/v1/modules/${module}/versions`);
    if (versions.status === 200) expect(await versions.json()).toMatchObject({ items: [] });
    else expect(versions.status).toBe(404);
    await serves();
  });

test("bytes that are not the digest promised are refused, and no part of them stays", async () => {
  const before = await hub.storedNames();
  const problem = await upload(hub, "acme", new Uint8Array(5000).fill(7), `sha256:${"0".repeat(64)}`);
  expect(problem).toMatchObject({ code: "digest-mismatch", status: 422 });
  expect(await hub.storedNames()).toEqual(before);
});

for (const path of [
  "../evil.onnx",
  "/etc/passwd",
  "a\\b",
  "a//b",
  "a/./b",
  "con:",
  "x".repeat(600),
  "__proto__",
  "a/..",
])
  test(`a file at the path ${path.slice(0, 20)} is refused before anything is sent`, async () => {
    const { state, problems } = await publishFiles(hub, "acme/paths", {
      ...goodModule(),
      [path]: new Uint8Array([1]),
    });
    expect(state).toBe("refused");
    expect(problems[0]!.status).toBeGreaterThanOrEqual(400);
    expect(problems[0]!.status).toBeLessThan(500);
  });
