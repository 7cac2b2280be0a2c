import { spawn } from "node:child_process";
import { connect } from "node:net";
import { json } from "node:stream/consumers";
import Fastify from "fastify";
import { expect, test } from "vitest";
import { closeInStages } from "./close-in-stages.ts";

async function listening() {
  const app = Fastify({ bodyLimit: 1_000 });
  closeInStages(app);
  app.post("/", async () => "taken");
  await app.listen({ host: "127.0.0.1", port: 0 });
  const address = app.server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return { app, port: address.port };
}

/** A client of its own process, which sends on while the server answers. */
const CLIENT = `
import { request } from "node:http";
const send = () => new Promise((resolve) => {
  const sent = request(process.argv[1], { method: "POST", headers: { "content-type": "application/json" } });
  sent.on("error", ({ code }) => resolve(code));
  sent.on("response", (response) => resolve(response.statusCode));
  sent.end(Buffer.alloc(20_000_000, "x"));
});
const seen = [];
for (let time = 0; time < 20; time++) seen.push(await send());
console.log(JSON.stringify(seen));
process.exit();
`;

test("whoever sends far too much reads why it is refused, however far it has got", async () => {
  const { app, port } = await listening();
  const args = ["--input-type=module", "-e", CLIENT, `http://127.0.0.1:${port}/`];
  const client = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  // Without the stages some of these are EPIPE or ECONNRESET.
  expect(await json(client.stdout)).toEqual(Array.from({ length: 20 }, () => 413));
  await app.close();
});

test("whoever never stops sending is cut off all the same", async () => {
  const { app, port } = await listening();
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => undefined);
  let answer = "";
  socket.on("data", (data) => {
    answer += data;
  });
  const length = 10 ** 12;
  socket.write(
    `POST / HTTP/1.1\r\nhost: hub\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`,
  );
  const sending = setInterval(() => socket.write("x".repeat(1_000)), 20);
  await new Promise((resolve) => socket.once("close", resolve));
  clearInterval(sending);
  expect(answer).toMatch(/^HTTP\/1\.1 413/);
  await app.close();
});
