/** A worker that accepts every module at once, as a process of its own that can be killed: what is tried is the API. */
import { createServer } from "node:http";

const REPORT = {
  runtime: { onnxruntime: "1.30.0", executionProvider: "cpu" },
  graphs: {},
  signatures: { default: { batching: "none", evidence: ["Nothing was tried."] } },
  examples: [],
  load: { milliseconds: 1, peakBytes: 1 },
};
const server = createServer((request, response) => {
  request.resume();
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ outcome: "accepted", report: REPORT }));
});
server.listen(Number(process.argv[2]), "127.0.0.1", () => process.send?.("listening"));
process.once("disconnect", () => process.exit());
