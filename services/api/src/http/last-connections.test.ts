import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import Fastify from "fastify";
import { expect, test } from "vitest";
import { closeLastConnections } from "./last-connections.ts";

async function listening() {
  const app = Fastify();
  closeLastConnections(app);
  app.get("/slow", async () => {
    await sleep(200);
    return "done";
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
  const address = app.server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return { app, port: address.port };
}

test("a connection on which nothing was ever sent does not keep the server from closing", async () => {
  const { app, port } = await listening();
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const closed = once(socket, "close");
  // Without the hook this waits for the limit on headers, a minute: the test would time out.
  await app.close();
  await closed;
});

test("a request that is under way is answered first, and its connection then closed", async () => {
  const { app, port } = await listening();
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.on("data", (data) => {
    answer += data;
  });
  socket.write("GET /slow HTTP/1.1\r\nhost: hub\r\n\r\n");
  await sleep(50);
  const closed = once(socket, "close");
  await app.close();
  await closed;
  expect(answer).toMatch(/^HTTP\/1\.1 200/);
  expect(answer).toMatch(/done$/);
});
