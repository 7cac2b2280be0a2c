import type { FastifyReply, FastifyRequest } from "fastify";
import type { Pieces } from "../blobs/pieces.ts";

/**
 * Sends the reply's headers and then the pieces, each written out before the next is asked for. An error on the way
 * ends the connection before the length that was announced, which tells the client. What is open is closed whatever
 * happens.
 */
export async function sendPieces(
  request: FastifyRequest,
  reply: FastifyReply,
  pieces: Pieces,
): Promise<FastifyReply> {
  reply.hijack();
  const { raw: response } = reply;
  const { socket } = request.raw;
  let giveUp = (): void => undefined;
  const onClose = () => {
    giveUp();
    // Also while a piece is waited for. Awaited below.
    void Promise.allSettled([pieces.close()]);
  };
  socket.once("close", onClose);
  const write = (bytes: Uint8Array) =>
    new Promise<void>((resolve, reject) => {
      giveUp = () => reject(new Error("The client went away."));
      if (socket.destroyed) giveUp();
      else response.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  try {
    response.statusCode = reply.statusCode;
    for (const [name, value] of Object.entries(reply.getHeaders()))
      if (value !== undefined) response.setHeader(name, value);
    try {
      for await (const piece of pieces) await write(piece);
    } finally {
      await pieces.close();
    }
    response.end();
  } catch (error) {
    if (!socket.destroyed) request.log.error({ err: error }, "an answer broke off");
    response.destroy();
  } finally {
    socket.off("close", onClose);
  }
  return reply;
}
