import { createServer } from "node:net";

/**
 * The port to serve on: `wanted` where it is free, any where that is 0. Looked at before anything is started,
 * so that a port that is taken costs nothing. Throws with a sentence where it can't be had.
 */
export async function freePort(host: string, wanted: number): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(new PortError(portFault(host, wanted, error))),
    );
    server.listen(wanted, host, () => {
      const address = server.address();
      const port = typeof address === "object" && address ? address.port : wanted;
      server.close(() => resolve(port));
    });
  });
}

function portFault(host: string, port: number, { code }: NodeJS.ErrnoException): string {
  if (code === "EADDRINUSE")
    return `Port ${port} of ${host} is taken. Stop what serves there, or choose another with --port.`;
  if (code === "EACCES")
    return `Port ${port} needs more rights than this user has. Choose one above 1023 with --port.`;
  return `Nothing can listen at ${host}:${port} (${code}). Check --host and --port.`;
}

/** The place to serve at can't be had. */
export class PortError extends Error {}
