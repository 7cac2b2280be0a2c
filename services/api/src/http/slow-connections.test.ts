import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import Fastify, { type FastifyInstance } from "fastify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endSlowConnections } from "./slow-connections.ts";

const PACE = { bytes: 1_000, milliseconds: 300 };
let app: FastifyInstance;
let port: number;

beforeAll(async () => {
  app = Fastify();
  endSlowConnections(app, PACE);
  app.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
  app.post("/read", async (request) => {
    let bytes = 0;
    for await (const chunk of request.raw) bytes += chunk.length;
    return { bytes };
  });
  app.post("/refuse", async (_request, reply) => reply.code(415).send("no"));
  app.get("/think", async () => {
    await sleep(1_200);
    return "thought";
  });
  app.get("/large", async () => Buffer.alloc(64 * 1_048_576));
  await app.listen({ host: "127.0.0.1", port: 0 });
  const address = app.server.address();
  port = typeof address === "object" && address ? address.port : 0;
});
afterAll(() => app.close());

function send(head: string): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(`${head}\r\nHost: x\r\n`);
  return socket;
}

/** What came until the connection ended, and whether it ended within so long. */
async function ending(socket: Socket, milliseconds: number): Promise<{ ended: boolean; text: string }> {
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString().slice(0, 500);
  });
  const ended = await Promise.race([
    // A reset is an end too.
    new Promise<true>((resolve) => socket.once("close", () => resolve(true))),
    sleep(milliseconds, false, { ref: false }),
  ]);
  socket.destroy();
  return { ended, text };
}

test.each([
  ["stops in the middle", "POST /read HTTP/1.1", 0],
  ["trickles", "POST /read HTTP/1.1", 50],
  ["trickles behind an answer that is out already", "POST /refuse HTTP/1.1", 50],
])("a body that %s ends its connection", async (_, head, pause) => {
  const socket = send(head);
  socket.write("Content-Length: 100000\r\n\r\nx");
  const trickle = pause > 0 ? setInterval(() => socket.write("x"), pause) : undefined;
  expect(await ending(socket, 3_000)).toMatchObject({ ended: true });
  clearInterval(trickle);
});

test("a body that keeps the pace may take as long as it takes", async () => {
  const socket = send("POST /read HTTP/1.1");
  socket.write("Content-Length: 20000\r\nConnection: close\r\n\r\n");
  const feed = setInterval(() => socket.write("x".repeat(1_000)), 60);
  const { text } = await ending(socket, 5_000);
  clearInterval(feed);
  expect(text).toContain('{"bytes":20000}');
});

test("a client that waits for its answer is left alone, and so is one that asks nothing more", async () => {
  const socket = send("GET /think HTTP/1.1");
  socket.write("\r\n");
  const { ended, text } = await ending(socket, 2_500);
  expect(text).toContain("thought");
  expect(ended).toBe(false);
});

test("a client that does not take its answer loses its connection", async () => {
  const socket = send("GET /large HTTP/1.1");
  socket.pause();
  socket.write("\r\n");
  const [server] = (await once(app.server, "connection")) as [Socket];
  await Promise.race([once(server, "close"), sleep(4_000, undefined, { ref: false })]);
  expect(server.destroyed).toBe(true);
  socket.destroy();
});
