import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { pipeline } from "node:stream/promises";

/**
 * The baseline of `bench/download.ts`, a process of its own: Node's http and a stream of the file, as any plain
 * static file server in Node has it. Serves the one file that its argument names; tells its URL when it listens.
 */
const [, , path = ""] = process.argv;
const server = createServer(async (_request, response) => {
  response.writeHead(200, { "content-length": (await stat(path)).size });
  await pipeline(createReadStream(path), response);
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object" && address !== null)
    process.send?.({ url: `http://127.0.0.1:${address.port}` });
});
