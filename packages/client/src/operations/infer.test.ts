import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Hub, type InferInput } from "../index.ts";

let server: Server;
let hub: Hub;
let path: string | undefined;
let sent: unknown;
let busy = 0;

beforeEach(async () => {
  server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    sent = JSON.parse(text);
    path = request.url;
    if (busy-- > 0) {
      const document = {
        type: "about:blank",
        title: "Busy.",
        status: 429,
        code: "too-many-requests",
        retryAfter: 0,
      };
      response.writeHead(429, { "content-type": "application/problem+json" }).end(JSON.stringify(document));
      return;
    }
    const answer = { module: "acme/m", version: 1, digest: `sha256:${"00".repeat(32)}`, outputs: {} };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  hub = new Hub({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hub` });
  busy = 0;
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

// Forms from the contract: int64 beyond 2^53 as a decimal string, what is not finite as a word.
test.each<[string, InferInput, unknown]>([
  ["nested lists", [[1, 2]], [[1, 2]]],
  ["a typed array", Float32Array.of(1, Number.NaN), { dtype: "float32", shape: [2], data: [1, "NaN"] }],
  [
    "64-bit integers",
    BigInt64Array.of(1n, 2n ** 60n),
    { dtype: "int64", shape: [2], data: [1, "1152921504606846976"] },
  ],
  [
    "a tensor",
    { dtype: "bool", shape: [1, 2], data: Uint8Array.of(1, 0) },
    { dtype: "bool", shape: [1, 2], data: [true, false] },
  ],
  ["half precision", Float16Array.of(0.5), { dtype: "float16", shape: [1], data: [0.5] }],
  ["an image", Uint8Array.of(255, 216), [{ b64: "/9g=" }]],
  ["several images", [Uint8Array.of(1), Uint8Array.of(2)], [{ b64: "AQ==" }, { b64: "Ag==" }]],
])("%s travels in the hub's form", async (_, input, json) => {
  await hub.infer("acme/m/3", { x: input });
  expect(sent).toEqual({ inputs: { x: json } });
});

test.each([
  ["acme/m", "/hub/v1/modules/acme/m/infer"],
  ["acme/a/b/3", "/hub/v1/modules/acme/a/b/versions/3/infer"],
  ["acme/m@stable", "/hub/v1/modules/acme/m/versions/stable/infer"],
  ["https://elsewhere.example/acme/m/2", "/hub/v1/modules/acme/m/versions/2/infer"],
])("the handle %s is asked at %s", async (handle, expected) => {
  await hub.infer(handle, { x: [1] });
  expect(path).toBe(expected);
});

test("a busy hub is asked again", async () => {
  busy = 2;
  expect((await hub.infer("acme/m", { x: [1] })).version).toBe(1);
});

test("what is no handle is refused without asking", async () => {
  path = undefined;
  await expect(hub.infer("Not a handle", { x: [1] })).rejects.toMatchObject({ code: "invalid-handle" });
  expect(path).toBeUndefined();
});
