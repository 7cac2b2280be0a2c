import { request } from "node:http";
import { connect } from "node:net";
import { crc32, deflateSync } from "node:zlib";
import type { ProblemDocument } from "@modulehub/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { goodModule } from "../fixtures/hostile-modules.ts";
import { call, cleanUp, type RunningHub, startHub, until } from "./hub.ts";
import { publishFiles } from "./publish-files.ts";

/** What callers may send wrongly, over real sockets: each is refused with its code, cheaply, and the hub goes on. */

const CLASSIFIER = "/v1/modules/modulehub/imagenet/efficientnet-lite0/classification";

let hub: RunningHub;
beforeAll(async () => {
  hub = await startHub();
  expect(await publishFiles(hub, "acme/good", goodModule())).toMatchObject({ state: "published" });
});
afterAll(cleanUp);

const infer = (inputs: unknown, more: object = {}) =>
  call(hub, "POST", "/v1/modules/acme/good/infer", { inputs, ...more });

async function problemOf(answer: Response): Promise<ProblemDocument> {
  expect(answer.headers.get("content-type")).toMatch(/^application\/problem\+json/);
  const document = (await answer.json()) as ProblemDocument;
  expect(document.status).toBe(answer.status);
  expect(document.requestId).toBe(answer.headers.get("x-request-id"));
  expect(JSON.stringify(document)).not.toContain(hub.data);
  return document;
}

const TENSORS: [name: string, inputs: unknown, code: string][] = [
  ["another dtype", { x: { dtype: "int64", shape: [1, 4], data: [1, 2, 3, 4] } }, "tensor-invalid"],
  ["strings for numbers", { x: [["a", "b", "c", "d"]] }, "tensor-invalid"],
  ["another rank", { x: [1, 2, 3, 4] }, "tensor-invalid"],
  ["another size", { x: [[1, 2, 3]] }, "tensor-invalid"],
  [
    "ragged rows",
    {
      x: [
        [1, 2, 3, 4],
        [1, 2],
      ],
    },
    "tensor-invalid",
  ],
  ["a shape that its data does not fill", { x: { shape: [1_000_000_000, 4], data: [1] } }, "tensor-invalid"],
  ["nulls", { x: [[null, 1, 2, 3]] }, "tensor-invalid"],
  ["an input that the signature lacks", { x: [[1, 2, 3, 4]], z: [1] }, "input-unknown"],
  ["no input", {}, "input-missing"],
];

for (const [name, inputs, code] of TENSORS)
  test(`a tensor with ${name} is refused with ${code}`, async () => {
    const answer = await infer(inputs);
    expect(answer.status).toBe(422);
    expect((await problemOf(answer)).code).toBe(code);
  });

test("an input named __proto__ is refused, and changes no object", async () => {
  const answer = await call(
    hub,
    "POST",
    "/v1/modules/acme/good/infer",
    '{"inputs":{"__proto__":[[1,2,3,4]],"x":[[1,2,3,4]]}}',
    { "content-type": "application/json" },
  );
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(answer.status).toBeLessThan(500);
  expect((await infer({ x: [[1, 2, 3, 4]] })).status).toBe(200);
});

test("unknown outputs, signatures and operations of another task are refused by name", async () => {
  const x = [[1, 2, 3, 4]];
  expect((await problemOf(await infer({ x }, { outputs: ["nope"] }))).code).toBe("output-unknown");
  expect((await problemOf(await infer({ x }, { signature: "nope" }))).code).toBe("signature-unknown");
  const embed = await call(hub, "POST", "/v1/modules/acme/good/embed", { inputs: "text" });
  expect((await problemOf(embed)).code).toBe("task-mismatch");
});

test("bodies that are no JSON, of another type, or nested a million deep are refused", async () => {
  const post = (body: string, type = "application/json") =>
    call(hub, "POST", "/v1/modules/acme/good/infer", body, { "content-type": type });
  expect((await problemOf(await post("{"))).code).toBe("invalid-json");
  expect((await problemOf(await post("x=1", "application/x-www-form-urlencoded"))).code).toBe(
    "unsupported-media-type",
  );
  const deep = `{"inputs":{"x":${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}}}`;
  const answer = await post(deep);
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(answer.status).toBeLessThan(500);
});

test("a JSON body of 2 GB is refused before it has been sent", async () => {
  // By its length, before a byte of it is read.
  const declared = await new Promise<number>((resolve, reject) => {
    const outgoing = request(`${hub.url}/v1/modules/acme/good/infer`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "content-length": 2 ** 31,
        authorization: `Bearer ${hub.token}`,
      },
    });
    outgoing.on("response", (answer) => {
      resolve(answer.statusCode ?? 0);
      outgoing.destroy();
    });
    outgoing.on("error", reject);
    outgoing.write('{"inputs":');
  });
  expect(declared).toBe(413);
});

test("a body of unknown length is refused once it is too long", async () => {
  let sent = 0;
  const status = await new Promise<number>((resolve) => {
    const outgoing = request(`${hub.url}/v1/modules/acme/good/infer`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${hub.token}`,
        "transfer-encoding": "chunked",
      },
    });
    let answered = 0;
    outgoing.on("response", (answer) => {
      answered = answer.statusCode ?? 0;
      resolve(answered);
      outgoing.destroy();
    });
    // The hub hangs up on a sender that goes on; the status counts, if it came first.
    outgoing.on("error", () => resolve(answered));
    const chunk = Buffer.alloc(1 << 20, " ");
    const write = () => {
      while (sent < 2048 && !outgoing.destroyed) {
        sent += 1;
        if (!outgoing.write(chunk)) {
          outgoing.once("drain", write);
          return;
        }
      }
    };
    write();
  });
  expect([413, 0]).toContain(status);
  expect(sent).toBeLessThan(512);
  expect((await infer({ x: [[1, 2, 3, 4]] })).status).toBe(200);
});

test("a photo that is none, and one of a billion pixels, are refused", async () => {
  const classify = (body: Uint8Array, type: string) =>
    call(hub, "POST", `${CLASSIFIER}/classify`, body, { "content-type": type });
  const none = await classify(new TextEncoder().encode("this is no photo"), "image/jpeg");
  expect((await problemOf(none)).code).toBe("image-invalid");
  const bomb = await classify(pngOfSize(32_000, 32_000), "image/png");
  expect((await problemOf(bomb)).code).toBe("image-too-large");
  const gif = await classify(new TextEncoder().encode("GIF89a"), "image/gif");
  expect((await problemOf(gif)).status).toBeGreaterThanOrEqual(415);
});

/** A PNG that claims a size and holds almost nothing. Chunks by the PNG specification, section 5. */
function pngOfSize(width: number, height: number): Uint8Array {
  const chunk = (type: string, data: Uint8Array) => {
    const body = Buffer.concat([Buffer.from(type, "ascii"), data]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const check = Buffer.alloc(4);
    check.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, check]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.alloc(1000))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

test("what does not exist is 404 with its code; what may not be seen looks the same", async () => {
  for (const [path, code] of [
    ["/v1/modules/acme/nothing", "module-not-found"],
    ["/v1/modules/acme/good/versions/99", "version-not-found"],
    ["/v1/modules/acme/good/versions/1/files/nothing.txt", "file-not-found"],
    ["/v1/resolve?handle=acme/nothing", "module-not-found"],
    ["/v1/nothing-at-all", "not-found"],
  ] as const)
    expect((await problemOf(await call(hub, "GET", path))).code, path).toBe(code);
  expect((await problemOf(await call(hub, "GET", "/v1/resolve?handle=NOT%20A%20HANDLE"))).code).toBe(
    "invalid-handle",
  );
});

test("paths with hidden turns are refused over a raw socket", async () => {
  for (const path of [
    "/v1/modules/acme/good/versions/1/files/../../../../etc/passwd",
    "/v1/modules/acme/good/versions/1/files/%2e%2e/%2e%2e/admin-token",
    "/v1/modules/acme/good/versions/1/files/..%2fadmin-token",
    "/v1/modules/acme//good",
    "/v1/modules/acme/good/versions/1/files/a%00b",
    "/v1/modules/acme/good/versions/1/files/a%5cb",
    "/-/modules/acme%2Fgood/versions/1",
  ]) {
    const status = await rawGet(path);
    expect(status, path).toBeGreaterThanOrEqual(400);
    expect(status, path).toBeLessThan(500);
  }
});

/** The status of a GET whose path no client library has touched. */
async function rawGet(path: string): Promise<number> {
  const { hostname, port } = new URL(hub.url);
  return await new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let answer = "";
    socket.on("data", (data) => {
      answer += data;
    });
    socket.on("error", reject);
    socket.on("end", () => resolve(Number(answer.split(" ")[1])));
    socket.write(
      `GET ${path} HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer ${hub.token}\r\nconnection: close\r\n\r\n`,
    );
  });
}

test("writing needs a token, and a wrong one is told so", async () => {
  const post = (headers: Record<string, string>) =>
    fetch(`${hub.url}/v1/publishers`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ id: "intruder" }),
    });
  expect((await problemOf(await post({}))).code).toBe("unauthenticated");
  expect((await problemOf(await post({ authorization: "Bearer wrong" }))).code).toBe("unauthenticated");
  expect((await problemOf(await call(hub, "GET", "/v1/publishers/intruder"))).status).toBe(404);
});

test("a worker that can't be reached is 503, a module that isn't there still 404", async () => {
  const worker = await workerPid();
  process.kill(worker, "SIGSTOP");
  process.kill(worker, "SIGKILL");
  // At once: the supervisor restarts it after a moment.
  const answer = await infer({ x: [[1, 2, 3, 4]] });
  if (answer.status !== 200) {
    expect((await problemOf(answer)).code).toBe("worker-unavailable");
    expect(answer.headers.get("retry-after")).toMatch(/^\d+$/);
  }
  expect(
    (await problemOf(await call(hub, "POST", "/v1/modules/acme/nothing/infer", { inputs: {} }))).code,
  ).toBe("module-not-found");
  await until("the worker is back", 30, async () => (await infer({ x: [[1, 2, 3, 4]] })).status === 200);
});

/** The worker's process, by its command line (Linux). */
async function workerPid(): Promise<number> {
  const { readdirSync, readFileSync } = await import("node:fs");
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, "utf8");
      const environment = readFileSync(`/proc/${entry}/environ`, "utf8");
      if (command.includes("services/worker/src/main.ts") && environment.includes(hub.url))
        return Number(entry);
    } catch {
      // The process ended while we were looking.
    }
  }
  throw new Error("the hub has no worker process");
}
