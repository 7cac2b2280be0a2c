import { createServer, request as send } from "node:http";
import type { AddressInfo } from "node:net";

/** Stands between a client and a hub, or an S3 server, and counts the bytes of parts that go through. */
export interface CountingProxy {
  url: string;
  /** Address of the hub behind it; a hub that is started again has another one. */
  target: string;
  /** Bytes that were sent of each part, over all attempts; by upload and number, with a slash between. */
  readonly sent: Map<string, number>;
  /** Called when bytes of a part have come, with its number and how many came of it in all. */
  onPart: (n: number, bytes: number) => void;
  close(): void;
}

/** Which part is sent to an address, be it the hub's or one that it signed. */
function partOf(address: string): { upload: string; number: number } | undefined {
  const { pathname, searchParams } = new URL(address, "http://proxy");
  const [, upload, number] = /^\/v1\/uploads\/([^/]+)\/parts\/(\d+)$/.exec(pathname) ?? [];
  if (upload !== undefined) return { upload, number: Number(number) };
  const signed = searchParams.get("partNumber");
  const key = pathname.split("/").at(-1);
  return signed === null || key === undefined ? undefined : { upload: key, number: Number(signed) };
}

/** Starts a proxy that has no hub behind it yet. */
export async function startCountingProxy(): Promise<CountingProxy> {
  const sent = new Map<string, number>();
  const server = createServer((request, response) => {
    const part = partOf(request.url ?? "");
    if (part !== undefined && request.method === "PUT")
      request.on("data", (chunk: Buffer) => {
        const name = `${part.upload}/${part.number}`;
        const bytes = (sent.get(name) ?? 0) + chunk.byteLength;
        sent.set(name, bytes);
        proxy.onPart(part.number, bytes);
      });
    const to = new URL(proxy.target);
    const onward = send(
      {
        host: to.hostname,
        port: to.port,
        method: request.method,
        path: request.url,
        headers: request.headers,
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
        answer.on("error", () => response.destroy());
      },
    );
    // A hub that was killed is a connection that breaks, for the client too.
    onward.on("error", () => response.destroy());
    request.on("error", () => onward.destroy());
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: CountingProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    target: "http://127.0.0.1:1",
    sent,
    onPart: () => undefined,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return proxy;
}
