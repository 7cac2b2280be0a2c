import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import Fastify, { type FastifyInstance } from "fastify";
import { afterEach, expect, test, vi } from "vitest";
import { type EventStream, eventStreams } from "./event-stream.ts";

let app: FastifyInstance;
afterEach(() => app.close());

/** A server whose only route opens a stream, and the stream of the first who asks. */
async function serve(): Promise<{ port: number; stream: Promise<EventStream> }> {
  app = Fastify();
  const open = eventStreams(app);
  const opened = Promise.withResolvers<EventStream>();
  app.get("/", async (request, reply) => {
    const stream = open(request, reply);
    opened.resolve(stream);
    await stream.closed;
  });
  const port = Number(new URL(await app.listen({ host: "127.0.0.1", port: 0 })).port);
  return { port, stream: opened.promise };
}

test("events arrive in the standard's form", async () => {
  const { port, stream } = await serve();
  const response = await fetch(`http://127.0.0.1:${port}/`);
  const { send, end } = await stream;
  send({ name: "state", data: { text: "two\nlines" }, id: "7" });
  send({ name: "progress", data: 1 });
  end();
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  expect(await response.text()).toBe(
    'retry: 1000\n\nid: 7\nevent: state\ndata: {"text":"two\\nlines"}\n\nevent: progress\ndata: 1\n\n',
  );
});

test("a reader that takes nothing is sent no more than sockets hold, and hears again when it has caught up", async () => {
  const { port, stream } = await serve();
  const socket = connect(port, "127.0.0.1").pause();
  socket.write("GET / HTTP/1.1\r\nHost: hub\r\n\r\n");
  const { send, onCaughtUp } = await stream;
  const megabyte = "x".repeat(1_000_000);
  let accepted = 0;
  for (let round = 0; round < 100; round++) {
    if (send({ name: "state", data: megabyte })) accepted += 1;
    await sleep(1);
  }
  // Loopback's buffers hold a few megabytes; the rest is never made.
  expect(accepted).toBeLessThan(20);
  const caughtUp = new Promise<void>((resolve) => onCaughtUp(resolve));
  socket.resume();
  await caughtUp;
  expect(send({ name: "state", data: "small" })).toBe(true);
  socket.destroy();
});

test("a stream that has ended sends nothing more to a reader that still takes the rest", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const { port, stream } = await serve();
  const socket = connect(port, "127.0.0.1").pause();
  socket.write("GET / HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n");
  const { send, end, closed } = await stream;
  send({ name: "state", data: "x".repeat(20_000_000) });
  end();
  // Two beats: Node tells of each write after the end, and nobody would listen to the second.
  vi.advanceTimersByTime(30_000);
  vi.useRealTimers();
  let received = "";
  socket.setEncoding("latin1").on("data", (text: string) => {
    received = (received + text).slice(-100);
  });
  socket.resume();
  await closed;
  await once(socket, "end");
  expect(received).toMatch(/x"\n\n\r\n0\r\n\r\n$/);
});

test("a stream ends when the app closes, and when its reader goes", async () => {
  const { port, stream } = await serve();
  const response = await fetch(`http://127.0.0.1:${port}/`);
  await stream;
  await app.close();
  expect(await response.text()).toBe("retry: 1000\n\n");

  const again = await serve();
  const stop = new AbortController();
  await fetch(`http://127.0.0.1:${again.port}/`, { signal: stop.signal });
  stop.abort();
  await (await again.stream).closed;
});
