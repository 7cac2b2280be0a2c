import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import {
  type InspectRequest,
  type InspectResponse,
  type JobAssignment,
  type JobMessage,
  jobAssignmentSchema,
  PROBLEMS,
  problem,
} from "@modulehub/core";

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
    /** What it says of a job; the connection is broken off when this throws, and the signal given when the API did. */
    work: (
      assignment: JobAssignment,
      say: (message: JobMessage) => void,
      gone: AbortSignal,
    ) => void | Promise<void>;
  };
  inspections: InspectRequest[];
  assignments: JobAssignment[];
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
  const assignments: JobAssignment[] = [];
  const behaviour: FakeWorker["behaviour"] = {
    inspect: accepted,
    infer: (request, response) => {
      response.writeHead(200, { "content-type": request.headers["content-type"] ?? "text/plain" });
      request.pipe(response);
    },
    work: () => undefined,
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
    if (request.url === "/v1/jobs") return work(request, response);
    if (request.url !== "/v1/inspect") {
      behaviour.infer(request, response);
      return;
    }
    const body = (await bodyOf(request)) as InspectRequest;
    inspections.push(body);
    const outcome = await behaviour.inspect(body);
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(outcome));
  }

  async function work(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const assignment = jobAssignmentSchema.parse(await bodyOf(request));
    assignments.push(assignment);
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    const say = (message: JobMessage) => void response.write(`${JSON.stringify(message)}\n`);
    say({ message: "alive" });
    try {
      await behaviour.work(assignment, say, gone.signal);
      response.end();
    } catch {
      response.destroy();
    }
  }

  await listen();
  return {
    url: `http://127.0.0.1:${port}`,
    behaviour,
    inspections,
    assignments,
    shut,
    open: listen,
    close: shut,
  };
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString());
}
