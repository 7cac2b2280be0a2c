import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endless } from "../testing/graphs.ts";
import { plainSignature, type TestModule, testModule } from "../testing/modules.ts";
import { testWorker } from "../testing/test-worker.ts";

/* Refusing must cost little: what is refused by its head alone is neither read nor parsed. */

let worker: Awaited<ReturnType<typeof testWorker>>;
let module: TestModule;
let port: number;
beforeAll(async () => {
  worker = await testWorker({ longestWaitMs: 100, runMs: 60_000 });
  const counter = { dtype: "int64" as const, shape: [1] };
  module = worker.source.add(testModule(endless(), { signatures: plainSignature(counter, counter) }));
  port = Number(new URL(await worker.app.listen({ port: 0, host: "127.0.0.1" })).port);
});
afterAll(async () => {
  await worker.end();
});

/** Sends a head that promises a body, and no byte of it; resolves with what is answered. */
function head(bytes: number, caller: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    const fields = {
      ...worker.headers(module, caller),
      "content-type": "application/json",
      "content-length": bytes,
    };
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`POST /v1/infer HTTP/1.1\r\nhost: worker\r\n${lines.join("")}\r\n`);
    socket.on("error", reject).on("data", (chunk) => {
      resolve(chunk.toString());
      socket.destroy();
    });
  });
}

test("while the queue is full a request is refused by its head, before a byte of its body was sent", async () => {
  const count = () => worker.post("/v1/infer", module, { inputs: { x: [200_000] } }, "eager");
  // What a run takes is known after some.
  for (let times = 0; times < 35; times++) expect((await count()).statusCode).toBe(200);
  let going = true;
  const eager = Array.from({ length: 100 }, async () => {
    while (going)
      if ((await count()).statusCode === 429) await new Promise((resolve) => setTimeout(resolve, 20));
  });
  await new Promise((resolve) => setTimeout(resolve, 300));

  const isRefusal = (answer: string) => answer.startsWith("HTTP/1.1 429 ");
  const answers: string[] = [];
  // In between there may be room, more often on a slow machine: then the body is waited for.
  while (answers.filter(isRefusal).length <= 25)
    answers.push(
      ...(await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          Promise.race([
            new Promise((resolve) => setTimeout(resolve, 10 * index)).then(() => head(10_000_000, "eager")),
            new Promise<string>((resolve) => setTimeout(resolve, 3000, "nothing")),
          ]),
        ),
      )),
    );
  going = false;
  await Promise.all(eager);
  const refused = answers.filter(isRefusal);
  expect(answers.filter((answer) => answer !== "nothing")).toEqual(refused);
  for (const answer of refused) {
    expect(answer).toMatch(/\r\nretry-after: [1-9]\d*\r\n/i);
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    expect(answer).toContain("too-many-requests");
  }
}, 60_000);

test("a connection outlasts a refusal where the body is short", async () => {
  const wrong = await new Promise<string>((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const fields = { ...worker.headers(module), "modulehub-digest": "none", "content-length": 5 };
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
    const request = `POST /v1/embed HTTP/1.1\r\nhost: worker\r\n${lines.join("")}\r\n`;
    let answers = "";
    socket.on("data", (chunk) => {
      answers += chunk.toString();
      if (answers.split("HTTP/1.1 400").length === 2) socket.write(`12345${request}`);
      else {
        resolve(answers);
        socket.destroy();
      }
    });
    socket.write(request);
  });
  expect(wrong.split("HTTP/1.1 400")).toHaveLength(3);
  expect(wrong).not.toMatch(/connection: close/i);
});

test("a request says how long its client waits; what can't begin by then is not begun", async () => {
  const ask = (timeout: string, value: number) =>
    worker.app.inject({
      method: "POST",
      url: "/v1/infer",
      headers: {
        ...worker.headers(module, "hasty"),
        "content-type": "application/json",
        "modulehub-timeout-ms": timeout,
      },
      payload: JSON.stringify({ inputs: { x: [value] } }),
    });
  for (const wrong of ["soon", "-1", "1.5", "0"]) {
    const refused = await ask(wrong, 1);
    expect(refused.json()).toMatchObject({ status: 400, code: "invalid-request" });
  }
  expect((await ask("30000", 1)).statusCode).toBe(200);
  // Every core is taken for longer than these wait.
  const counting = [1, 2, 3, 4].map(() => ask("30000", 1_500_000));
  await new Promise((resolve) => setTimeout(resolve, 100));
  const hasty = await ask("1", 1);
  expect([429, 504]).toContain(hasty.statusCode);
  for (const answer of await Promise.all(counting)) expect([200, 429]).toContain(answer.statusCode);
}, 120_000);
