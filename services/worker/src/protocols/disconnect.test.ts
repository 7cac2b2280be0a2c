import { once } from "node:events";
import { createConnection } from "node:net";
import { Readable } from "node:stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endless } from "../testing/graphs.ts";
import { plainSignature, type TestModule, testModule } from "../testing/modules.ts";
import { TOKEN, testWorker } from "../testing/test-worker.ts";

let worker: Awaited<ReturnType<typeof testWorker>>;
let module: TestModule;
let port: number;
beforeAll(async () => {
  worker = await testWorker({ runMs: 4000 });
  const counter = { dtype: "int64" as const, shape: [1] };
  module = worker.source.add(testModule(endless(), { signatures: plainSignature(counter, counter) }));
  port = Number(new URL(await worker.app.listen({ port: 0, host: "127.0.0.1" })).port);
});
afterAll(async () => {
  await worker.end();
});

async function queued(): Promise<number> {
  const { payload } = await worker.app.inject({
    url: "/metrics",
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  return Number(/^modulehub_worker_queued_items (\S+)$/m.exec(payload)?.[1]);
}

/** Sends a head that promises so many bytes, and these. */
function send(promised: number, body: string) {
  const fields = {
    ...worker.headers(module),
    "content-type": "application/json",
    "content-length": promised,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  const socket = createConnection(port, "127.0.0.1");
  socket.on("error", () => undefined);
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk.toString();
  });
  socket.write(`POST /v1/infer HTTP/1.1\r\nhost: worker\r\n${lines.join("")}\r\n${body}`);
  return { socket, answer: () => answer };
}

const ONE = JSON.stringify({ inputs: { x: [1] } });
const answered = async () =>
  expect((await worker.post("/v1/infer", module, { inputs: { x: [1] } })).json()).toMatchObject({
    outputs: { y: { data: [2] } },
  });

test("a client that disconnects is forgotten while it waits, and who stays is answered", async () => {
  const looping = worker.post("/v1/infer", module, { inputs: { x: [2 ** 50] } });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const staying = worker.post("/v1/infer", module, { inputs: { x: [1] } });

  const { socket } = send(ONE.length, ONE);
  await expect.poll(queued).toBe(2);
  socket.destroy();
  await expect.poll(queued).toBe(1);

  expect((await looping).json()).toMatchObject({ code: "deadline-exceeded" });
  expect((await staying).json()).toMatchObject({ outputs: { y: { data: [2] } } });
});

test("while the hub hangs, a request for a module that isn't here is answered at its deadline", async () => {
  const counter = { dtype: "int64" as const, shape: [1] };
  const signatures = plainSignature(counter, counter);
  const other = worker.source.add(testModule(endless(), { task: "absent", signatures }));
  const goOn = Promise.withResolvers<void>();
  worker.source.tamper = (_digest, bytes) =>
    Readable.from(
      (async function* () {
        await goOn.promise;
        yield bytes;
      })(),
    );
  const headers = { ...worker.headers(other), "content-type": "application/json" };
  for (const route of ["/v1/infer", "/v1/embed", "/v1/classify"]) {
    const answer = await worker.app.inject({
      method: "POST",
      url: route,
      headers: { ...headers, "modulehub-timeout-ms": "200" },
      payload: route === "/v1/infer" ? ONE : JSON.stringify({ inputs: "text" }),
    });
    expect(answer.json()).toMatchObject({ code: "deadline-exceeded", status: 504 });
  }
  goOn.resolve();
  expect((await worker.post("/v1/infer", other, { inputs: { x: [1] } })).statusCode).toBe(200);
});

test("clients that leave in the middle of a run, or of their body, cost the others nothing", async () => {
  const body = JSON.stringify({ inputs: { x: [2 ** 50] } });
  const running = send(body.length, body);
  const sending = Array.from({ length: 20 }, () => send(1_000_000, "["));
  await new Promise((resolve) => setTimeout(resolve, 500));
  running.socket.destroy();
  for (const { socket } of sending) socket.destroy();
  await answered();
  expect(await queued()).toBe(0);
});

test("a body longer than promised is cut there, and what follows is no request", async () => {
  const longer = send(ONE.length, ONE + "x".repeat(10_000));
  await once(longer.socket, "close");
  expect(longer.answer()).not.toMatch(/^HTTP\/1\.1 200[\s\S]*HTTP\/1\.1 200/);
  const shortened = send(3, ONE);
  await once(shortened.socket, "close");
  expect(shortened.answer()).toMatch(/HTTP\/1\.1 400/);
  expect(shortened.answer()).not.toContain(" 200 ");
  await answered();
});

test("a hundred clients that send slowly hold no place: another is answered at once", async () => {
  const slow = Array.from({ length: 100 }, () => send(1000, '{"inputs":'));
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await queued()).toBe(0);
  const started = performance.now();
  await answered();
  expect(performance.now() - started).toBeLessThan(2000);
  expect(slow.every(({ answer }) => answer() === "")).toBe(true);
  for (const { socket } of slow) socket.destroy();
});
