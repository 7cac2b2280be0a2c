import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { FakeWorker } from "../testing/fake-worker.ts";
import { rawRequest } from "../testing/raw-request.ts";
import { ask, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";

const INFER = "/v1/modules/acme/run/infer";
let hub: TestHub;
let digest: string | undefined;
let echo: FakeWorker["behaviour"]["infer"];

beforeAll(async () => {
  hub = await startTestHub();
  echo = hub.worker.behaviour.infer;
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  ({ digest } = await publish(hub, "acme/run", moduleFiles("run"), { visibility: "public" }));
  await publish(hub, "acme/private", moduleFiles("private"));
}, 60_000);
afterAll(() => hub.close());
beforeEach(() => {
  hub.worker.behaviour.infer = echo;
});

test("a request goes to the worker with its version's digest, and body and answer pass unchanged", async () => {
  const seen: Record<string, unknown> = {};
  hub.worker.behaviour.infer = (request, response) => {
    Object.assign(seen, request.headers, { url: request.url });
    echo(request, response);
  };
  const body = new Uint8Array([0, 255, 13, 10, 0, 128]);
  for (const version of ["", "/versions/1", `/versions/${digest}`]) {
    const response = await fetch(`${hub.url}/v1/modules/acme/run${version}/infer`, {
      method: "POST",
      headers: {
        "content-type": "application/x-odd",
        "inference-header-content-length": "3",
        "x-request-id": "r-1",
      },
      body,
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("x-request-id")).toBe("r-1");
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(body);
    expect(seen).toMatchObject({
      url: "/v1/infer",
      "content-type": "application/x-odd",
      "inference-header-content-length": "3",
      "modulehub-digest": digest,
      "modulehub-module": "acme/run",
      "modulehub-version": "1",
      "modulehub-caller": "anonymous",
      "x-request-id": "r-1",
    });
    expect(seen.authorization).not.toBe(hub.admin.authorization);
  }
});

test("of the query the worker is told topK, which a picture as the body has no other place for, and no token", async () => {
  const seen: (string | undefined)[] = [];
  hub.worker.behaviour.infer = (request, response) => {
    seen.push(request.url);
    echo(request, response);
  };
  for (const [operation, query] of [
    ["classify", "?topK=5&token=secret"],
    ["classify", "?topK=%26x"],
    ["embed", "?topK=5"],
  ])
    await fetch(`${hub.url}/v1/modules/acme/run/${operation}${query}`, { method: "POST", body: "x" });
  expect(seen).toEqual(["/v1/classify?topK=5", "/v1/classify?topK=%26x", "/v1/embed"]);
});

test("clients that send slowly keep no one else from the workers", async () => {
  let begun = 0;
  hub.worker.behaviour.infer = (request, response) => {
    begun += 1;
    echo(request, response);
  };
  const { hostname, port } = new URL(hub.url);
  const slow = await Promise.all(
    Array.from({ length: 200 }, async () => {
      const socket = connect(Number(port), hostname);
      await once(socket, "connect");
      socket.write(`POST ${INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx`);
      return socket;
    }),
  );
  await expect.poll(() => begun, { timeout: 10_000 }).toBe(200);
  const response = await fetch(hub.url + INFER, {
    method: "POST",
    body: "quick",
    signal: AbortSignal.timeout(5_000),
  });
  expect(await response.text()).toBe("quick");
  for (const socket of slow) socket.destroy();
});

test("a client that leaves in the middle of its body, with the answer begun, costs its request only", async () => {
  let closed = 0;
  hub.worker.behaviour.infer = (request, response) => {
    request.on("error", () => undefined);
    response.writeHead(200);
    response.write("early");
    response.once("close", () => {
      closed += 1;
    });
  };
  const { hostname, port } = new URL(hub.url);
  for (let client = 0; client < 5; client++) {
    const socket = connect(Number(port), hostname);
    socket.write(`POST ${INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx`);
    await once(socket, "data");
    socket.destroy();
  }
  await expect.poll(() => closed).toBe(5);
  expect((await ask(hub, "GET", "/health/live")).status).toBe(200);
});

test("a new version is what the next request without a number runs", async () => {
  const versions: unknown[] = [];
  hub.worker.behaviour.infer = (request, response) => {
    versions.push(request.headers["modulehub-version"]);
    echo(request, response);
  };
  await publish(hub, "acme/moving", moduleFiles("moving 1"), { visibility: "public" });
  await fetch(`${hub.url}/v1/modules/acme/moving/infer`, { method: "POST", body: "x" });
  await publish(hub, "acme/moving", moduleFiles("moving 2"));
  await fetch(`${hub.url}/v1/modules/acme/moving/infer`, { method: "POST", body: "x" });
  expect(versions).toEqual(["1", "2"]);
});

test("a module that does not exist is 404, a private one too, and the worker hears of neither", async () => {
  hub.worker.behaviour.infer = () => expect.unreachable();
  for (const name of ["nothing", "private"]) {
    const answer = await ask(hub, "POST", `/v1/modules/acme/${name}/infer`, { inputs: {} }, {});
    expect(answer).toMatchObject({ status: 404, body: { code: "module-not-found" } });
  }
  const version = await ask(hub, "POST", "/v1/modules/acme/run/versions/9/infer", { inputs: {} }, {});
  expect(version).toMatchObject({ status: 404, body: { code: "version-not-found" } });
});

test("a private module stays private after its owner has run it", async () => {
  const path = "/v1/modules/acme/private/infer";
  expect((await ask(hub, "POST", path, { inputs: {} })).status).toBe(200);
  expect((await ask(hub, "POST", path, { inputs: {} }, {})).status).toBe(404);
});

test("a worker's problem passes as it is", async () => {
  hub.worker.behaviour.infer = (_request, response) => {
    response.writeHead(422, { "content-type": "application/problem+json" });
    response.end('{"code":"tensor-invalid","status":422}');
  };
  const answer = await ask(hub, "POST", INFER, { inputs: {} }, {});
  expect(answer).toMatchObject({ status: 422, body: { code: "tensor-invalid" } });
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
});

test("without a worker the answer is 503 with Retry-After, and so is a connection that breaks before one", async () => {
  await hub.worker.shut();
  const down = await ask(hub, "POST", INFER, { inputs: {} }, {});
  await hub.worker.open();
  expect(down).toMatchObject({ status: 503, body: { code: "worker-unavailable" } });
  expect(down.headers.get("retry-after")).toBe("2");

  let tries = 0;
  hub.worker.behaviour.infer = (request) => {
    tries += 1;
    request.socket.destroy();
  };
  const broken = await ask(hub, "POST", INFER, { inputs: {} }, {});
  expect(broken).toMatchObject({ status: 503, body: { code: "worker-unavailable" } });
  expect(tries).toBe(1);
});

test("a large answer that breaks off half way breaks off for the client too", async () => {
  hub.worker.behaviour.infer = (request, response) => {
    response.writeHead(200, { "content-length": "1000000" });
    response.write("half");
    setTimeout(() => request.socket.destroy(), 20);
  };
  const response = await fetch(hub.url + INFER, { method: "POST", body: "x" });
  expect(response.status).toBe(200);
  await expect(response.text()).rejects.toThrow();
});

test("a small answer that breaks off half way is 503: nothing of it was passed on", async () => {
  hub.worker.behaviour.infer = (request, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("half");
    setTimeout(() => request.socket.destroy(), 20);
  };
  const response = await fetch(hub.url + INFER, { method: "POST", body: "x" });
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ code: "worker-unavailable" });
});

test("when the client goes away the request to the worker ends", async () => {
  const closed = new Promise<void>((resolve) => {
    hub.worker.behaviour.infer = (request, response) => {
      request.resume();
      response.on("close", () => resolve());
    };
  });
  const leaving = new AbortController();
  const asked = fetch(hub.url + INFER, { method: "POST", body: "x", signal: leaving.signal });
  asked.catch(() => undefined);
  setTimeout(() => leaving.abort(), 50);
  await closed;
  await expect(asked).rejects.toThrow();
});

test("a body over the limit is refused by its announced length before it is read", async () => {
  hub.worker.behaviour.infer = () => expect.unreachable();
  const answer = await rawRequest(hub.url, `POST ${INFER}`, ["Content-Length: 2000000000"], "{");
  expect(answer.status).toBe(413);
  expect(JSON.parse(answer.body)).toMatchObject({ code: "body-too-large" });
});

test("a body of unknown length is refused as soon as it is over the limit", async () => {
  let received = 0;
  hub.worker.behaviour.infer = (request) => {
    request.on("data", (chunk: Buffer) => {
      received += chunk.byteLength;
    });
    request.on("error", () => undefined);
  };
  const { hostname, port } = new URL(hub.url);
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const request = httpRequest({ hostname, port, path: INFER, method: "POST" }, (response) => {
      response.resume();
      resolve(response.statusCode);
      request.destroy();
    });
    request.on("error", reject);
    // The last of these is the one too many, and no end follows: what is written to a connection that the hub has
    // closed meanwhile would be an error before the answer is read.
    const chunk = Buffer.alloc(65_536);
    for (let sent = 0; sent <= 1_048_576; sent += chunk.byteLength) request.write(chunk);
  });
  expect(status).toBe(413);
  expect(received).toBeLessThanOrEqual(1_048_576);
});

test("a body longer than promised is cut there for the worker too, and what follows is no request", async () => {
  const bodies: string[] = [];
  hub.worker.behaviour.infer = (request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      bodies.push(body);
      response.end(body);
    });
  };
  const smuggled = `12345POST ${INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nevil`;
  for (const longer of [smuggled, `12345${"x".repeat(5000)}`]) {
    // Either the part that was promised is answered, or all of it is refused.
    const answer = await rawRequest(hub.url, `POST ${INFER}`, ["Content-Length: 5"], longer);
    if (answer.status !== 200)
      expect(JSON.parse(answer.body)).toMatchObject({ status: 400, code: "invalid-request" });
  }
  expect(bodies).toEqual(bodies.map(() => "12345"));
  expect((await fetch(hub.url + INFER, { method: "POST", body: "quick" })).status).toBe(200);
});

test("a worker that refuses the hub's token is a worker that can't be reached", async () => {
  hub.worker.behaviour.infer = (_request, response) => {
    response.writeHead(401).end();
  };
  const answer = await ask(hub, "POST", INFER, { inputs: {} }, {});
  expect(answer).toMatchObject({ status: 503, body: { code: "worker-unavailable" } });
});
