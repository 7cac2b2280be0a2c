import { createConnection } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endless } from "../testing/graphs.ts";
import { plainSignature, type TestModule, testModule } from "../testing/modules.ts";
import { TOKEN, testWorker } from "../testing/test-worker.ts";

let worker: Awaited<ReturnType<typeof testWorker>>;
let module: TestModule;
beforeAll(async () => {
  worker = await testWorker({ runMs: 4000 });
  const counter = { dtype: "int64" as const, shape: [1] };
  module = worker.source.add(testModule(endless(), { signatures: plainSignature(counter, counter) }));
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

test("a client that disconnects is forgotten while it waits, and who stays is answered", async () => {
  const { port } = new URL(await worker.app.listen({ port: 0, host: "127.0.0.1" }));
  const looping = worker.post("/v1/infer", module, { inputs: { x: [2 ** 50] } });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const staying = worker.post("/v1/infer", module, { inputs: { x: [1] } });

  const body = JSON.stringify({ inputs: { x: [1] } });
  const fields = {
    ...worker.headers(module),
    "content-type": "application/json",
    "content-length": body.length,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  const socket = createConnection(Number(port), "127.0.0.1");
  socket.write(`POST /v1/infer HTTP/1.1\r\nhost: worker\r\n${lines.join("")}\r\n${body}`);
  await expect.poll(queued).toBe(2);
  socket.destroy();
  await expect.poll(queued).toBe(1);

  expect((await looping).json()).toMatchObject({ code: "deadline-exceeded" });
  expect((await staying).json()).toMatchObject({ outputs: { y: { data: [2] } } });
});
