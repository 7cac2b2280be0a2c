import type { ServerResponse } from "node:http";
import { ProblemError } from "@modulehub/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

/** How often a reader hears something, so that proxies keep the connection and a dead one is noticed. */
const HEARTBEAT = 15_000;

/** Server-sent events (WHATWG HTML, 9.2) to one reader. */
export interface EventStream {
  /**
   * Sends an event, unless the reader still has to take earlier ones: then nothing is sent, and false returned.
   * So a reader that is slow, or takes nothing at all, costs the memory of one event. `id` comes back as
   * `Last-Event-ID` when the reader connects again.
   */
  send(event: { name: string; data: unknown; id?: string }): boolean;
  /** Calls back each time when the reader has caught up. */
  onCaughtUp(listener: () => void): void;
  end(): void;
  /** Resolves when the stream has ended, from whichever side. */
  readonly closed: Promise<void>;
}

/** How often it is asked whether a reader may still read, in milliseconds. */
const ASK_AGAIN = 2_000;

/**
 * Ends a stream once its reader may not read any more: a token may be revoked, and a membership end, while it is open.
 * `ask` throws a ProblemError then; the reader is told so when it comes again.
 */
export function guardStream(request: FastifyRequest, stream: EventStream, ask: () => Promise<unknown>): void {
  const guard = setInterval(() => {
    ask().catch((err: unknown) => {
      if (!(err instanceof ProblemError)) request.log.error({ err }, "events broke off");
      stream.end();
    });
  }, ASK_AGAIN);
  void stream.closed.then(() => clearInterval(guard));
}

/** Returns what opens streams; those that are open end when the app closes, and their readers connect again. */
export function eventStreams(
  app: FastifyInstance,
): (request: FastifyRequest, reply: FastifyReply) => EventStream {
  const open = new Set<ServerResponse>();
  let closing = false;
  app.addHook("preClose", async () => {
    closing = true;
    for (const stream of open) stream.end();
  });

  return (request, reply) => {
    reply.hijack();
    const stream = reply.raw;
    stream.writeHead(200, {
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "x-request-id": request.id,
      // Tells nginx not to collect what is to be read at once.
      "x-accel-buffering": "no",
    });
    // A second before a reader that lost its connection tries again.
    stream.write("retry: 1000\n\n");
    open.add(stream);
    const heartbeat = setInterval(() => {
      // One that has ended may have a slow reader yet; it takes no more.
      if (!stream.writableNeedDrain && !stream.writableEnded) stream.write(":\n\n");
    }, HEARTBEAT);
    const closed = new Promise<void>((resolve) =>
      stream.once("close", () => {
        clearInterval(heartbeat);
        open.delete(stream);
        resolve();
      }),
    );
    if (closing) stream.end();
    return {
      send({ name, data, id }) {
        if (stream.writableNeedDrain || stream.writableEnded) return false;
        const first = id === undefined ? "" : `id: ${id}\n`;
        stream.write(`${first}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
        return true;
      },
      onCaughtUp: (listener) => stream.on("drain", listener),
      end: () => stream.end(),
      closed,
    };
  };
}
