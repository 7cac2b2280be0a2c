import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";

/** The least that a connection on which a client is awaited has to move, in bytes, in so many milliseconds. */
export interface Pace {
  bytes: number;
  milliseconds: number;
}

/** About 1 KiB a second: below what any modem did, above what it takes to hold a connection for nothing. */
export const LEAST_PACE: Pace = { bytes: 32_768, milliseconds: 30_000 };

interface Exchange {
  /** Kept here: a request lets go of its socket when it is destroyed. */
  socket: Socket;
  request: IncomingMessage;
  response: ServerResponse;
  /** Bytes that had moved at the time. */
  moved: number;
  since: number;
}

/**
 * Ends connections whose client neither sends the body that it announced nor takes the answer. There is no
 * limit on how long a request may take, since a part of an upload has as many bytes as it has; only a client
 * that keeps the hub waiting is cut off. Waiting for a worker or a disk is not the client's doing.
 */
export function endSlowConnections(app: FastifyInstance, pace: Pace = LEAST_PACE): void {
  const open = new Set<Exchange>();
  app.addHook("onRequest", async ({ raw: request }, { raw: response }) => {
    const { socket } = request;
    const exchange = { socket, request, response, moved: movedBy(socket), since: performance.now() };
    open.add(exchange);
    response.once("close", () => {
      // An answer may be out before the body is in: it still holds the connection.
      if (request.complete || socket.destroyed) open.delete(exchange);
    });
  });
  const look = () => {
    const now = performance.now();
    for (const exchange of open) {
      const { socket, request, response } = exchange;
      if (socket.destroyed || (request.complete && response.writableFinished)) {
        open.delete(exchange);
        continue;
      }
      const moved = movedBy(socket);
      const awaited = isBodyAwaited(request) || isAnswerStuck(response, socket.writableLength);
      if (!awaited || moved - exchange.moved >= pace.bytes) Object.assign(exchange, { moved, since: now });
      else if (now - exchange.since >= pace.milliseconds) socket.destroy();
    }
  };
  const timer = setInterval(look, pace.milliseconds / 6);
  timer.unref();
  app.addHook("onClose", async () => clearInterval(timer));
}

const movedBy = (socket: Socket): number => socket.bytesRead + socket.bytesWritten;

/** Bytes that came and lie unread wait for the hub, not for the client. */
const isBodyAwaited = (request: IncomingMessage): boolean =>
  !request.complete && request.readableLength === 0;

const isAnswerStuck = (response: ServerResponse, unsent: number): boolean =>
  response.headersSent && unsent > 0;
