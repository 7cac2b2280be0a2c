import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { openLocalModule } from "@modulehub/runtime";
import { openSession } from "@modulehub/runtime/session";

/**
 * A naive server: node:http and ONNX Runtime in one process, a run a request. Arguments: the module's folder, threads.
 */
const [folder, threads] = process.argv.slice(2);
const module = await openLocalModule(folder!, openSession, { threads: Number(threads) });
const server = createServer((request, response) => {
  void (async () => {
    const { texts }: { texts: string[] } = JSON.parse(await text(request));
    const input = { dtype: "string" as const, shape: [texts.length], data: texts };
    const { outputs } = await module.run("default", new Map([["text", input]]));
    const vectors = outputs.get("default");
    if (vectors?.dtype !== "float32") throw new Error("the vectors are not float32");
    const width = vectors.data.length / texts.length;
    const embeddings = texts.map((_, row) => [...vectors.data.subarray(row * width, (row + 1) * width)]);
    response.setHeader("content-type", "application/json").end(JSON.stringify({ embeddings }));
  })().catch((error: unknown) => response.writeHead(500).end(String(error)));
});
server.listen(0, "127.0.0.1", () => {
  process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
});
process.on("disconnect", () => process.exit(0));
