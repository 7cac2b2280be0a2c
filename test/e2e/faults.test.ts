import { createHash, randomBytes } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectS3 } from "../../services/api/src/blobs/s3-client.ts";
import { s3Store } from "../../services/api/src/blobs/s3-store.ts";
import { endless, goodModule, manifest } from "../fixtures/hostile-modules.ts";
import { eventsAt, statesOf } from "./events.ts";
import { call, cleanUp, type RunningHub, startHub } from "./hub.ts";
import { publishFiles, upload } from "./publish-files.ts";

/** The faults of docs/operations.md that a whole hub can be shown: as `npm start` starts it, and on its parts. */

let hub: RunningHub;
beforeAll(async () => {
  hub = await startHub({ examples: false });
  expect((await call(hub, "POST", "/v1/publishers", { id: "acme" })).status).toBe(201);
}, 240_000);
afterAll(cleanUp);

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const answerOf = async (method: string, path: string, body?: unknown) => {
  const answer = await call(hub, method, path, body);
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
};

/** Deletes bytes behind the hub's back, by the names that `storedNames` tells. */
async function lose(names: readonly string[]): Promise<string[]> {
  const keys = names.map((name) => name.split("/").at(-1)!);
  if (hub.storeUrl === undefined) {
    for (const key of keys) rmSync(join(hub.data, "blobs", key.slice(0, 2), key));
    return keys;
  }
  const secret = (name: string) => readFileSync(join(hub.data, "secrets/api", name), "utf8").trim();
  const connection = connectS3({
    endpoint: hub.storeUrl,
    ...{ region: "us-east-1", bucket: "modulehub", pathStyle: true },
    credentials: { accessKeyId: secret("s3-access-key-id"), secretAccessKey: secret("s3-secret-access-key") },
  });
  for (const key of keys) await s3Store(connection).delete(key);
  connection.close();
  return keys;
}

test("a store that loses objects is told as such, by their keys, and other versions are served", async () => {
  expect(await publishFiles(hub, "acme/kept", goodModule())).toMatchObject({ state: "published" });
  const before = new Set(await hub.storedNames());
  const asset = randomBytes(300_000);
  const files = { ...goodModule(), "data/asset.bin": asset, "README.md": randomBytes(20) };
  expect(await publishFiles(hub, "acme/lossy", files)).toMatchObject({ state: "published" });
  const own = async () =>
    (await hub.storedNames()).filter((name) => name.includes("blobs/") && !before.has(name));
  await expect.poll(own, { timeout: 20_000 }).toHaveLength(2);
  const keys = await lose(await own());
  const named = expect.stringMatching(new RegExp(keys.join("|")));
  const version = "/v1/modules/acme/lossy/versions/1";
  for (const path of [`${version}/files/data/asset.bin`, `${version}/archive`])
    expect(await answerOf("GET", path), path).toMatchObject({
      status: 503,
      body: { code: "store-unavailable", detail: named },
    });
  for (const path of [`${version}/files/model.onnx`, "/v1/modules/acme/kept/versions/1/files/model.onnx"]) {
    const answer = await call(hub, "GET", path);
    expect(Buffer.from(await answer.arrayBuffer()).equals(goodModule()["model.onnx"]!)).toBe(true);
  }
}, 120_000);

interface Upload {
  id: string;
  state: string;
  parts: { n: number; url: string }[];
}

test("a part that is sent for another upload fails that one by its digest, and its own goes on", async () => {
  const [mine, other] = [randomBytes(200_000), randomBytes(200_000)];
  const open = async (bytes: Uint8Array) =>
    (
      await answerOf("POST", "/v1/uploads", {
        publisher: "acme",
        size: bytes.length,
        digest: digestOf(bytes),
      })
    ).body as unknown as Upload;
  const [first, second] = [await open(mine), await open(other)];
  const send = async ({ parts }: Upload, bytes: Uint8Array) => {
    const { url } = parts[0]!;
    const own = url.startsWith(hub.url);
    const headers = own
      ? { authorization: `Bearer ${hub.token}`, "content-type": "application/octet-stream" }
      : {};
    return (await fetch(url, { method: "PUT", body: new Uint8Array(bytes), headers })).status;
  };
  const complete = async ({ id }: Upload, bytes: Uint8Array) => {
    const asked = await answerOf("POST", `/v1/uploads/${id}/complete`, { digest: digestOf(bytes) });
    return asked;
  };
  expect(await send(second, mine)).toBe(200);
  expect(await complete(first, mine)).toMatchObject({ status: 409, body: { code: "upload-incomplete" } });
  expect(await complete(second, other)).toMatchObject({ status: 422, body: { code: "digest-mismatch" } });
  expect(await send(first, mine)).toBe(200);
  expect(await complete(first, mine)).toMatchObject({ status: 200, body: { state: "stored" } });
  const gone = await answerOf("GET", `/v1/uploads/${second.id}`);
  expect(gone.body).toMatchObject({ state: "failed", problem: { code: "digest-mismatch" } });
});

/** How a large body is refused: the answer may come, and the connection go, while it is still being sent. */
function refusalOf(path: string, body: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    let answered = false;
    const request = httpRequest(hub.url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${hub.token}`, "content-type": "application/json" },
    });
    request.on("error", (error) => answered || reject(error));
    request.on("response", (response) => {
      answered = true;
      let text = "";
      response.on("data", (chunk) => (text += chunk));
      response.on("end", () => resolve(`${response.statusCode} ${JSON.parse(text).code}`));
    });
    request.end(JSON.stringify(body));
  });
}

test("tricks in file names, and a list of 100,000 files, are refused and leave nothing", async () => {
  const digest = digestOf(Buffer.from("x"));
  const base = { path: "module.json", size: 1, digest };
  const open = (paths: string[]) =>
    answerOf("POST", "/v1/modules/acme/tricks/drafts", {
      files: [base, ...paths.map((path) => ({ path, size: 1, digest }))],
    });
  for (const paths of [
    ...[["../a"], ["/etc/passwd"], ["a/../../b"], ["nul\0"], ["a\\b"], ["C:/a"]],
    ...[
      ["Model.onnx", "model.onnx"],
      ["caf\u00e9", "cafe\u0301"],
      ["a", "a/b"],
    ],
  ])
    expect(await open(paths), paths.join()).toMatchObject({ status: 400, body: { code: "invalid-request" } });
  const files = Array.from({ length: 100_000 }, (_, n) => ({ path: `f${n}`, size: 1, digest }));
  expect(await refusalOf("/v1/modules/acme/tricks/drafts", { files })).toMatch(
    /^(400 invalid-request|413 body-too-large)$/,
  );
  expect((await call(hub, "GET", "/v1/modules/acme/tricks")).status).toBe(404);
  for (const api of hub.apis) expect((await fetch(`${api}/health/ready`)).status).toBe(200);
}, 120_000);

test("a version that is deleted while it is downloaded comes whole to who had begun, and is gone for others", async () => {
  const asset = randomBytes(24_000_000);
  const files = { ...goodModule(), "data/asset.bin": asset };
  expect(await publishFiles(hub, "acme/raced", files)).toMatchObject({ state: "published" });
  const version = "/v1/modules/acme/raced/versions/1";
  const path = `${version}/files/data/asset.bin`;
  // More than the sockets between hold, so that it waits for its reader.
  const { hostname, port } = new URL(hub.url);
  const socket = connect(Number(port), hostname);
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer ${hub.token}\r\nConnection: close\r\n\r\n`,
  );
  await new Promise((resolve) => socket.once("readable", resolve));
  expect((await call(hub, "DELETE", version)).status).toBe(204);
  expect((await call(hub, "GET", path)).status).toBe(410);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  const all = Buffer.concat(chunks);
  expect(digestOf(all.subarray(all.indexOf("\r\n\r\n") + 4))).toBe(digestOf(asset));
}, 120_000);

test("every replica tells the steps of a draft, wherever it is verified, and its end", async () => {
  // Slow enough for a look in between: its example is run until its time is up.
  const files = {
    "module.json": manifest({ examples: [{ inputs: { x: [[1, 2, 3, 4]] } }] }),
    "model.onnx": endless(),
  };
  const list = Object.entries(files).map(([path, bytes]) => ({
    path,
    size: bytes.length,
    digest: digestOf(bytes),
  }));
  const { body: draft } = await answerOf("POST", "/v1/modules/acme/watched/drafts", { files: list });
  const watching = hub.apis.map((api) => eventsAt(api, `/v1/drafts/${draft.id}/events`, hub.token));
  for (const bytes of Object.values(files)) expect(await upload(hub, "acme", bytes)).toBeUndefined();
  expect((await call(hub, "POST", `/v1/drafts/${draft.id}/publish`)).status).toBe(202);
  for (const heard of await Promise.all(watching)) {
    expect([statesOf(heard)[0], statesOf(heard).at(-1)]).toEqual(["uploading", "rejected"]);
    expect(heard.flatMap(({ data }) => data.step ?? [])).toContain("inspecting");
  }
}, 170_000);
