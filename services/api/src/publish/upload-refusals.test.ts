import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rawRequest } from "../testing/raw-request.ts";
import { ask, digestOf, startTestHub, type TestHub } from "../testing/test-hub.ts";

/** Each fault of a part or a completion, over a real socket: a clear answer, nothing changed, nothing left. */

const PART = 65_536;
let hub: TestHub;
let stranger: { authorization: string };
beforeAll(async () => {
  hub = await startTestHub({ partSize: PART });
  for (const id of ["acme", "other"]) await ask(hub, "POST", "/v1/publishers", { id });
  const { prisma } = hub.deps.database;
  await ask(hub, "POST", "/v1/accounts", { id: "mallory" });
  await ask(hub, "PUT", "/v1/publishers/other/members/mallory", { role: "owner" });
  const token = await ask<{ token: string }>(hub, "POST", "/v1/tokens", {
    account: "mallory",
    name: "test",
    role: "owner",
  });
  stranger = { authorization: `Bearer ${token.body.token}` };
  expect(await prisma.upload.count()).toBe(0);
}, 60_000);
afterAll(() => hub.close());

interface UploadBody {
  id: string;
  state: string;
  received: number[];
}

const open = async (size: number, digest?: string) =>
  (await ask<UploadBody>(hub, "POST", "/v1/uploads", { publisher: "acme", size, digest })).body;
const put = (id: string, n: number | string, bytes: Uint8Array, headers = hub.admin) =>
  ask(hub, "PUT", `/v1/uploads/${id}/parts/${n}`, bytes, headers);
const complete = (id: string, digest: string, headers = hub.admin) =>
  ask(hub, "POST", `/v1/uploads/${id}/complete`, { digest }, headers);
const receivedOf = async (id: string) =>
  (await ask<UploadBody>(hub, "GET", `/v1/uploads/${id}`)).body.received;
const partsInStore = async (id: string) =>
  (await readdir(join(hub.data, "uploads", id)).catch(() => [])).sort();

test("part sizes are as they are set", async () => {
  expect(await open(PART * 20)).toMatchObject({ partSize: PART });
  expect((await open(PART * 20)) as unknown as { parts: unknown[] }).toMatchObject({
    parts: { length: 20 },
  });
});

test.each([0, -1, 4, 10_001, 2 ** 53, "1.5", "one"])(
  "part %s of three is refused, and nothing is kept of it",
  async (n) => {
    const upload = await open(2 * PART + 5);
    const answer = await put(upload.id, n, Buffer.alloc(PART));
    expect(answer).toMatchObject({ status: 400, body: { code: "invalid-request" } });
    expect(await partsInStore(upload.id)).toEqual([]);
  },
);

test("too few parts at the completion are named, and the upload goes on", async () => {
  const bytes = randomBytes(3 * PART);
  const upload = await open(bytes.length, digestOf(bytes));
  const part = (n: number) => bytes.subarray((n - 1) * PART, n * PART);
  await put(upload.id, 2, part(2));
  const early = await complete(upload.id, digestOf(bytes));
  expect(early).toMatchObject({
    status: 409,
    body: { code: "upload-incomplete", detail: "Parts are missing: 1, 3." },
  });
  for (const n of [1, 3]) await put(upload.id, n, part(n));
  expect(await complete(upload.id, digestOf(bytes))).toMatchObject({ status: 200 });
});

test.each([1, PART - 1, PART + 1])(
  "a part of %i bytes instead of 65,536 is refused before it is read",
  async (size) => {
    const upload = await open(2 * PART);
    // The body never comes: the length alone is enough.
    const answer = await rawRequest(hub.url, `PUT /v1/uploads/${upload.id}/parts/1`, [
      `Authorization: ${hub.admin.authorization}`,
      `Content-Length: ${size}`,
    ]);
    expect(answer.status).toBe(422);
    expect(JSON.parse(answer.body)).toMatchObject({ code: "size-mismatch" });
    expect(await partsInStore(upload.id)).toEqual([]);
  },
);

test("a part without a length is taken when it has the right one", async () => {
  const upload = await open(5);
  const headers = [`Authorization: ${hub.admin.authorization}`, "Transfer-Encoding: chunked"];
  const path = `PUT /v1/uploads/${upload.id}/parts/1`;
  expect((await rawRequest(hub.url, path, headers, "2\r\nri\r\n3\r\nght\r\n0\r\n\r\n")).status).toBe(200);
  expect(await complete(upload.id, digestOf("right"))).toMatchObject({ status: 200 });
});

test("a part without a length that never ends is cut off after its size, not read whole", async () => {
  const upload = await open(2 * PART);
  const { hostname, port } = new URL(hub.url);
  const socket = connect(Number(port), hostname);
  let [sent, answer] = [0, ""];
  socket.on("data", (chunk: Buffer) => {
    answer += chunk.toString();
  });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  // The hub hangs up while this still writes.
  socket.on("error", () => undefined);
  socket.write(
    `PUT /v1/uploads/${upload.id}/parts/1 HTTP/1.1\r\nHost: hub\r\nAuthorization: ${hub.admin.authorization}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  const chunk = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(65_536), Buffer.from("\r\n")]);
  const write = () => {
    while (!socket.destroyed && sent < 500 * 65_536) {
      sent += 65_536;
      if (!socket.write(chunk)) return void socket.once("drain", write);
    }
  };
  write();
  await closed;
  expect(answer).toContain("HTTP/1.1 422");
  expect(answer).toContain("size-mismatch");
  // What the sockets' buffers hold, of the 32 MB that would have come.
  expect(sent).toBeLessThan(16 * 1_048_576);
  expect(await partsInStore(upload.id)).toEqual([]);
});

test("a part that is sent twice is kept once, and with other bytes the later one counts", async () => {
  const bytes = randomBytes(PART + 7);
  const upload = await open(bytes.length);
  const first = bytes.subarray(0, PART);
  for (const body of [first, first, randomBytes(PART), first])
    expect((await put(upload.id, 1, body)).status).toBe(200);
  await put(upload.id, 2, bytes.subarray(PART));
  expect(await receivedOf(upload.id)).toEqual([1, 2]);
  expect(await partsInStore(upload.id)).toEqual(["1", "2"]);
  expect(await complete(upload.id, digestOf(bytes))).toMatchObject({ status: 200 });
});

test("two clients that send the same part at once leave one of the two, whole", async () => {
  const [a, b] = [Buffer.alloc(PART, "a"), Buffer.alloc(PART, "b")];
  const upload = await open(PART);
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, index) => put(upload.id, 1, index % 2 === 0 ? a : b)),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  const kept = await readFile(join(hub.data, "uploads", upload.id, "1"));
  expect(kept.equals(a) || kept.equals(b)).toBe(true);
  expect(await partsInStore(upload.id)).toEqual(["1"]);
  expect(await complete(upload.id, digestOf(kept))).toMatchObject({ status: 200 });
});

test("a part for an upload that does not exist, or is another publisher's, gets the same answer", async () => {
  const bytes = Buffer.alloc(5, "x");
  const upload = await open(5);
  const unknown = await put("00000000-0000-4000-8000-000000000000", 1, bytes, stranger);
  const theirs = await put(upload.id, 1, bytes, stranger);
  expect(unknown).toMatchObject({ status: 404, body: { code: "upload-not-found" } });
  const same = (body: Record<string, unknown>) => ({ ...body, requestId: "" });
  expect(same(theirs.body)).toEqual(same(unknown.body));
  for (const [method, path, body] of [
    ["GET", "", undefined],
    ["DELETE", "", undefined],
    ["POST", "/complete", { digest: digestOf(bytes) }],
  ] as const)
    expect(await ask(hub, method, `/v1/uploads/${upload.id}${path}`, body, stranger)).toMatchObject({
      status: 404,
      body: { code: "upload-not-found" },
    });
  expect(await ask(hub, "GET", `/v1/uploads/${upload.id}`)).toMatchObject({
    body: { state: "open", received: [] },
  });
});

test("an upload can't be opened in another's publisher", async () => {
  const opened = await ask(hub, "POST", "/v1/uploads", { publisher: "acme", size: 5 }, stranger);
  expect(opened.status).toBeGreaterThanOrEqual(403);
  expect(opened.status).toBeLessThanOrEqual(404);
});

test.each(["completed", "cancelled"])(
  "a part for an upload that is %s is refused, and leaves nothing",
  async (end) => {
    const upload = await open(5);
    await put(upload.id, 1, Buffer.from("right"));
    if (end === "completed") await complete(upload.id, digestOf("right"));
    else await ask(hub, "DELETE", `/v1/uploads/${upload.id}`);
    expect(await put(upload.id, 1, Buffer.from("later"))).toMatchObject({
      status: 409,
      body: { code: "upload-state" },
    });
    expect(await partsInStore(upload.id)).toEqual([]);
  },
);

test("a part that comes in while its upload is cancelled leaves nothing", async () => {
  const upload = await open(PART);
  let give: (value: Uint8Array) => void = () => undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new Uint8Array(PART / 2));
      give = (rest) => {
        controller.enqueue(rest);
        controller.close();
      };
    },
  });
  const sending = fetch(`${hub.url}/v1/uploads/${upload.id}/parts/1`, {
    method: "PUT",
    headers: hub.admin,
    body,
    duplex: "half",
  } as RequestInit);
  for (let tries = 0; (await partsInStore(upload.id)).length === 0 && tries < 100; tries++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  await ask(hub, "DELETE", `/v1/uploads/${upload.id}`);
  give(new Uint8Array(PART / 2));
  expect((await sending).status).toBeGreaterThanOrEqual(400);
  expect(await partsInStore(upload.id)).toEqual([]);
  expect((await ask(hub, "GET", `/v1/uploads/${upload.id}`)).body).toMatchObject({ parts: [], received: [] });
});

test("a digest other than the one that was declared is refused, and the upload goes on", async () => {
  const upload = await open(5, digestOf("right"));
  await put(upload.id, 1, Buffer.from("right"));
  expect(await complete(upload.id, digestOf("wrong"))).toMatchObject({
    status: 422,
    body: { code: "digest-mismatch" },
  });
  expect(await complete(upload.id, digestOf("right"))).toMatchObject({ status: 200 });
});

test("completions at once all succeed, and one that names another digest later is refused", async () => {
  const upload = await open(5);
  await put(upload.id, 1, Buffer.from("right"));
  const answers = await Promise.all([
    complete(upload.id, digestOf("right")),
    complete(upload.id, digestOf("right")),
    complete(upload.id, digestOf("right")),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(await complete(upload.id, digestOf("wrong"))).toMatchObject({ status: 422 });
});
