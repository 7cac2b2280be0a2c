import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";

/**
 * Lets the server close once its last request is answered. Node closes the connections that are idle at that
 * moment, and then waits for two kinds that no one will use again: those that become idle afterwards, and those
 * that a client opened in advance and has sent nothing on.
 */
export function closeLastConnections(app: FastifyInstance): void {
  const open = new Set<Socket>();
  app.server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
  app.addHook("preClose", async () => {
    const look = () => {
      app.server.closeIdleConnections();
      for (const socket of open) if (socket.bytesRead === 0) socket.destroy();
    };
    look();
    const timer = setInterval(look, 50);
    app.server.once("close", () => clearInterval(timer));
    timer.unref();
  });
}
