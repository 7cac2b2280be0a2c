import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ProblemError } from "@modulehub/core";
import Fastify, { type FastifyInstance } from "fastify";
import { afterEach, expect, test, vi } from "vitest";
import { readBody } from "./body.ts";
import { BodyIntake } from "./body-intake.ts";

let app: FastifyInstance | undefined;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await app?.close();
});

/** A service that reads bodies on these terms, and how to send it a body piece by piece. */
async function service(intake: BodyIntake, wholeMs = 60_000) {
  const one = Fastify({ forceCloseConnections: true });
  app = one;
  one.removeAllContentTypeParsers();
  one.addContentTypeParser("*", (_request, _payload, done) => done(null));
  // As in the worker, whose hooks are asynchronous.
  one.addHook("onRequest", async () => undefined);
  one.setErrorHandler((error, _request, reply) => {
    const code = error instanceof ProblemError ? error.code : String(error);
    return reply
      .code(error instanceof ProblemError ? error.status : 500)
      .header("connection", "close")
      .send(code);
  });
  one.post("/", async (request) => {
    const body = await readBody(request, 1_000_000, { intake, deadline: performance.now() + wholeMs });
    return { bytes: body.byteLength };
  });
  const { port } = new URL(await one.listen({ host: "127.0.0.1", port: 0 }));
  return (announced: number, begun = "") => {
    const socket = connect(Number(port), "127.0.0.1");
    sockets.push(socket);
    socket.on("error", () => undefined);
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk.toString();
    });
    const head = `POST / HTTP/1.1\r\nhost: x\r\ncontent-type: a/b\r\ncontent-length: ${announced}\r\n\r\n`;
    const again = () => socket.write(`${head}${begun}`);
    again();
    return { socket, again, answer: () => answer };
  };
}

test("a body that came with its head is taken at once, and its connection goes on", async () => {
  const intake = new BodyIntake(1_000_000);
  const waited = vi.spyOn(intake, "open");
  const open = await service(intake);
  const whole = open(5000, "x".repeat(5000));
  await expect.poll(whole.answer).toContain('{"bytes":5000}');
  whole.again();
  await expect.poll(() => whole.answer().split('{"bytes":5000}')).toHaveLength(3);
  expect(waited).not.toHaveBeenCalled();
  const parted = open(5000, "x".repeat(4999));
  await expect.poll(() => waited.mock.calls).toHaveLength(1);
  parted.socket.write("x");
  await expect.poll(parted.answer).toContain('{"bytes":5000}');
});

test("a body that stops, or trickles, is ended with 408, and what was kept of it is let go", async () => {
  const intake = new BodyIntake(1_000_000, { bytes: 1000, milliseconds: 200 });
  const open = await service(intake);
  const stopped = open(100_000);
  stopped.socket.write("x".repeat(50_000));
  const trickling = open(100_000);
  const drops = setInterval(() => trickling.socket.write("x"), 20);
  await expect.poll(() => intake.bytes).toBeGreaterThan(50_000);
  for (const each of [stopped, trickling])
    await expect.poll(each.answer, { timeout: 3000 }).toMatch(/^HTTP\/1\.1 408 [\s\S]*request-timeout/);
  clearInterval(drops);
  expect(intake.bytes).toBe(0);
});

test("a body that keeps the pace is taken, and one that isn't there by its deadline isn't waited for", async () => {
  const intake = new BodyIntake(1_000_000, { bytes: 100, milliseconds: 200 });
  const open = await service(intake, 1000);
  const steady = open(5000);
  const late = open(1_000_000);
  const feed = setInterval(() => {
    steady.socket.write("x".repeat(500));
    late.socket.write("x".repeat(500));
  }, 50);
  await expect.poll(steady.answer, { timeout: 3000 }).toContain('{"bytes":5000}');
  await expect.poll(late.answer, { timeout: 3000 }).toContain("request-timeout");
  clearInterval(feed);
  expect(intake.bytes).toBe(0);
});

test("bodies on their way hold a bounded amount: who has dawdled longest is ended, who comes is taken", async () => {
  const intake = new BodyIntake(250_000);
  const open = await service(intake);
  const slow = [];
  for (let count = 0; count < 10; count++) {
    const one = open(200_000);
    one.socket.write("x".repeat(100_000));
    slow.push(one);
    await sleep(30);
    expect(intake.bytes).toBeLessThanOrEqual(250_000);
  }
  const quick = open(150_000);
  quick.socket.write("x".repeat(150_000));
  await expect.poll(quick.answer).toContain('{"bytes":150000}');
  await expect.poll(slow[0]!.answer).toMatch(/^HTTP\/1\.1 429 [\s\S]*too-many-requests/);
  expect(slow.at(-1)!.answer()).toBe("");
});

test("a client that leaves in the middle of its body leaves nothing", async () => {
  const intake = new BodyIntake(1_000_000);
  const open = await service(intake);
  const { socket } = open(100_000);
  socket.write("x".repeat(60_000));
  await expect.poll(() => intake.bytes).toBe(60_000);
  socket.destroy();
  await once(socket, "close");
  await expect.poll(() => intake.bytes).toBe(0);
});
