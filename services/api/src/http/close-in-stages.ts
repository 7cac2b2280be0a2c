import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";

/** How long a client that still sends after its answer is listened to. */
const LISTEN_MS = 2_000;

/**
 * Lets clients read why they were refused while they still send a body. A connection that is closed with bytes unread
 * is reset, and the reset may undo the answer before the client has seen it: it reports a broken pipe in place of the
 * reason. So our side is closed first, and what still comes is read and thrown away for a while (RFC 9112, section 9.6).
 */
export function closeInStages(app: FastifyInstance): void {
  const lastOn = new WeakMap<Socket, IncomingMessage>();
  app.server.on("request", (request: IncomingMessage) => lastOn.set(request.socket, request));
  app.server.on("connection", (socket: Socket) => {
    const closeAtOnce = socket.destroySoon.bind(socket);
    // Node calls this once the last answer on a connection is out; it reads on by itself what nobody else reads.
    socket.destroySoon = () => {
      if (lastOn.get(socket)?.complete !== false) return closeAtOnce();
      socket.end();
      const timer = setTimeout(() => socket.destroy(), LISTEN_MS);
      socket.once("close", () => clearTimeout(timer));
    };
  });
}
