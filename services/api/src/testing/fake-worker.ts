import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type InspectRequest, type InspectResponse, PROBLEMS, problem } from "@modulehub/core";

/**
 * A worker that speaks the contract over HTTP and computes nothing: for faults that a real one can't be made
 * to show at the right moment.
 */
export interface FakeWorker {
  url: string;
  /** What it does with the next requests; a test changes it. */
  behaviour: {
    inspect: (request: InspectRequest) => InspectResponse | Promise<InspectResponse>;
    infer: (request: IncomingMessage, response: ServerResponse) => void;
  };
  inspections: InspectRequest[];
  /** Refuses connections until `open` is called. */
  shut(): Promise<void>;
  open(): Promise<void>;
  close(): Promise<void>;
}

const REPORT = {
  runtime: { onnxruntime: "1.30.0", executionProvider: "cpu" },
  graphs: {},
  signatures: { default: { batching: "none" as const, evidence: ["Nothing was tried."] } },
  examples: [],
  load: { milliseconds: 1, peakBytes: 1 },
};

export const accepted = (): InspectResponse => ({ outcome: "accepted", report: REPORT });

export async function startFakeWorker(token: string): Promise<FakeWorker> {
  const inspections: InspectRequest[] = [];
  const behaviour: FakeWorker["behaviour"] = {
    inspect: accepted,
    infer: (request, response) => {
      response.writeHead(200, { "content-type": request.headers["content-type"] ?? "text/plain" });
      request.pipe(response);
    },
  };
  let server: Server;
  let port = 0;
  const listen = async () => {
    server = createServer((request, response) => {
      answer(request, response).catch((error: unknown) => {
        const status = error instanceof Error && "status" in error ? Number(error.status) : 500;
        const code = error instanceof Error && "code" in error ? String(error.code) : "internal";
        response.writeHead(status, { "content-type": "application/problem+json" });
        response.end(JSON.stringify({ type: "about:blank", title: PROBLEMS.internal.title, status, code }));
      });
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const address = server.address();
    if (typeof address === "object" && address !== null) port = address.port;
  };
  const shut = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === "/health/ready") {
      response.end("{}");
      return;
    }
    if (request.headers.authorization !== `Bearer ${token}`) throw problem("unauthenticated");
    if (request.url !== "/v1/inspect") {
      behaviour.infer(request, response);
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as InspectRequest;
    inspections.push(body);
    const outcome = await behaviour.inspect(body);
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(outcome));
  }

  await listen();
  return { url: `http://127.0.0.1:${port}`, behaviour, inspections, shut, open: listen, close: shut };
}
