import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, expect, test } from "vitest";
import { Hub } from "./index.ts";

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const ANSWER = JSON.stringify({
  module: "acme/new",
  version: 1,
  digest: `sha256:${"ab".repeat(32)}`,
  outputs: { default: { dtype: "float32", shape: [1], data: [1] } },
});
interface Seen {
  line: string;
  authorization: string | undefined;
  body: string;
}
const seenOf = async (request: IncomingMessage): Promise<Seen> => ({
  line: `${request.method} ${request.url}`,
  authorization: request.headers.authorization,
  body: await text(request),
});

test("a call of a renamed module follows it to its new name, with method, body and token", async () => {
  const seen: Seen[] = [];
  const url = await serve(async (request, response) => {
    seen.push(await seenOf(request));
    const isOld = request.url?.includes("acme/old");
    if (isOld) response.writeHead(308, { location: "/v1/modules/acme/new/infer" }).end();
    else response.writeHead(200, { "content-type": "application/json" }).end(ANSWER);
  });
  const answer = await new Hub({ url, token: "secret" }).infer("acme/old", { text: ["a"] });
  expect(answer).toMatchObject({ module: "acme/new" });
  const [first, second] = seen;
  expect(seen.map(({ line }) => line)).toEqual([
    "POST /v1/modules/acme/old/infer",
    "POST /v1/modules/acme/new/infer",
  ]);
  expect(second).toMatchObject({ body: first!.body, authorization: "Bearer secret" });
});

test("a redirect that leads elsewhere does not take the token along", async () => {
  const seen: Seen[] = [];
  const elsewhere = await serve(async (request, response) => {
    seen.push(await seenOf(request));
    response.writeHead(200, { "content-type": "application/json" }).end(ANSWER);
  });
  const url = await serve((_request, response) => {
    response.writeHead(308, { location: `${elsewhere}/v1/modules/acme/new/infer` }).end();
  });
  await new Hub({ url, token: "secret" }).infer("acme/old", { text: ["a"] });
  expect(seen).toMatchObject([{ authorization: undefined }]);
});
