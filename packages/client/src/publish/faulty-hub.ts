import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type ProblemCode, type ProblemDocument, problem } from "@modulehub/core";
import { type ServedVersion, servedFile, servedPage } from "./faulty-hub-files.ts";

interface OpenUpload {
  size: number;
  digest: string;
  parts: Map<number, Buffer>;
  /** What it is, where it is not open: somebody else did that. */
  became?: Became;
}

interface Became {
  state: "stored" | "failed" | "cancelled";
  problem?: ProblemDocument;
}

/**
 * A hub in memory for tests, speaking the contract for publishing and downloading over real sockets, that breaks
 * on request as a real one can't be made to. Keeps the bytes of every attempt to send a part, and counts those
 * that files were served with.
 */
export class FaultyHub {
  partSize = 64 * 1024;
  /** How many addresses of parts one answer gives. */
  addressesAtOnce = 3;
  /** Called at each attempt to send a part, with how often it was tried before; the answer breaks it. */
  partFault: (n: number, attempt: number) => "none" | "drop" | ProblemCode = () => "none";
  /** What an upload that is complete becomes while it is being verified; at once stored where nothing is said. */
  verification: Became | undefined;
  draftState: "published" | "rejected" = "published";
  /**
   * How the draft's events are told: whole; not at all (404); kept back as a proxy does; a page instead; broken off
   * after the first, on the first connection.
   */
  events: "whole" | "absent" | "kept-back" | "page" | "broken" = "whole";
  /** What can be resolved and downloaded, by every handle that means it. */
  readonly served = new Map<string, ServedVersion>();
  /** Bytes of files that were sent, by path. */
  readonly sentBytes = new Map<string, number>();
  publishers: Set<string> = new Set(["acme"]);
  readonly blobs = new Map<string, Buffer>();
  readonly uploads = new Map<string, OpenUpload>();
  /** Each attempt that carried bytes to a part. */
  readonly attempts: { n: number; bytes: number }[] = [];
  readonly requests: { line: string; authorization: string | undefined }[] = [];
  draft: unknown;
  #url = "";
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch(() => response.destroy());
  });

  get url(): string {
    return this.#url;
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.#url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "").split("?")[0] ?? "";
    const line = `${request.method} ${path}`;
    this.requests.push({ line, authorization: request.headers.authorization });
    const part = /^PUT \/v1\/uploads\/([^/]+)\/parts\/(\d+)$/.exec(line);
    if (part) return this.#part(request, response, part[1] ?? "", Number(part[2]));
    const url = new URL(request.url ?? "", this.#url);
    if (line === "GET /v1/resolve") {
      const version = this.served.get(url.searchParams.get("handle") ?? "");
      if (!version) return refuse(response, "module-not-found");
      return reply(response, 200, servedPage(version, this.#url, url.searchParams.get("cursor")));
    }
    if (line.startsWith("GET /files/")) {
      const sent = (path: string, bytes: number) =>
        this.sentBytes.set(path, (this.sentBytes.get(path) ?? 0) + bytes);
      const refusal = servedFile(this.served, request, response, sent);
      return refusal === undefined ? undefined : refuse(response, refusal);
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const body = text === "" ? {} : JSON.parse(text);
    const upload = /^(GET|POST) \/v1\/uploads\/([^/]+)(\/complete)?$/.exec(line);
    if (line === "POST /v1/publishers") {
      this.publishers.add(body.id);
      return reply(response, 201, { ...body, displayName: body.id, createdAt: "2026-01-01T00:00:00.000Z" });
    }
    if (/^POST \/v1\/modules\/.*\/drafts$/.test(line)) {
      if (!this.publishers.has(path.split("/")[3] ?? "")) return refuse(response, "not-found");
      this.draft = body;
      const digests = body.files.map((file: { digest: string }) => file.digest);
      const missing = [...new Set<string>(digests)].filter((digest) => !this.blobs.has(digest));
      return reply(response, 201, { id: "d1", state: "uploading", missing });
    }
    if (line === "POST /v1/uploads") {
      const same = [...this.uploads].find(([, { digest }]) => digest === body.digest);
      const id = same?.[0] ?? randomUUID();
      if (!same) this.uploads.set(id, { size: body.size, digest: body.digest, parts: new Map() });
      return reply(response, 201, this.#describe(id));
    }
    if (upload?.[1] === "GET") return reply(response, 200, this.#describe(upload[2] ?? ""));
    if (upload?.[3] !== undefined) return this.#complete(response, upload[2] ?? "");
    if (line === "POST /v1/drafts/d1/publish") return reply(response, 202, { id: "d1", state: "verifying" });
    if (line === "GET /v1/drafts/d1/events") return this.#events(response);
    if (line === "GET /v1/drafts/d1") return reply(response, 200, this.#decided());
    return refuse(response, "not-found");
  }

  #describe(id: string): unknown {
    const upload = this.uploads.get(id);
    if (!upload) throw new Error("no such upload");
    const numbers = Array.from({ length: Math.ceil(upload.size / this.partSize) }, (_, index) => index + 1);
    const { became } = upload;
    if (became) return { id, partSize: this.partSize, parts: [], received: [], ...became };
    const open = numbers.filter((n) => !upload.parts.has(n)).slice(0, this.addressesAtOnce);
    const parts = open.map((n) => ({ n, url: `${this.#url}/v1/uploads/${id}/parts/${n}` }));
    return { id, state: "open", partSize: this.partSize, parts, received: [...upload.parts.keys()] };
  }

  async #part(request: IncomingMessage, response: ServerResponse, id: string, n: number): Promise<void> {
    const fault = this.partFault(n, this.attempts.filter((attempt) => attempt.n === n).length);
    const attempt = { n, bytes: 0 };
    this.attempts.push(attempt);
    const chunks: Buffer[] = [];
    for await (const chunk of request) {
      chunks.push(chunk as Buffer);
      attempt.bytes += (chunk as Buffer).byteLength;
      if (fault === "drop" && attempt.bytes > this.partSize / 4) return void request.socket.destroy();
    }
    if (fault !== "none" && fault !== "drop") return refuse(response, fault);
    this.uploads.get(id)?.parts.set(n, Buffer.concat(chunks));
    return reply(response, 200, { n });
  }

  #complete(response: ServerResponse, id: string): void {
    const upload = this.uploads.get(id);
    if (!upload) {
      refuse(response, "upload-not-found");
      return;
    }
    if (upload.became?.state === "stored") {
      reply(response, 200, this.#describe(id));
      return;
    }
    if (this.verification) {
      upload.became = this.verification;
      reply(response, 202, { id, state: "verifying", partSize: this.partSize, parts: [], received: [] });
      return;
    }
    const parts = [...upload.parts].sort(([a], [b]) => a - b).map(([, bytes]) => bytes);
    const bytes = Buffer.concat(parts);
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    const right = digest === upload.digest;
    if (right) this.blobs.set(digest, bytes);
    const done = { id, state: "stored", partSize: this.partSize, parts: [], received: [] };
    if (right) reply(response, 200, done);
    else refuse(response, "digest-mismatch");
  }

  #events(response: ServerResponse): void {
    const fault = this.events;
    if (fault === "absent") {
      refuse(response, "not-found");
      return;
    }
    response.writeHead(200, { "content-type": fault === "page" ? "text/html" : "text/event-stream" });
    if (fault === "kept-back") {
      response.flushHeaders();
      return;
    }
    const tell = (name: string, data: unknown) =>
      response.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
    tell("state", { id: "d1", state: "verifying" });
    if (fault === "broken") {
      this.events = "whole";
      setTimeout(() => response.destroy(), 20);
      return;
    }
    response.write(":\n\n");
    tell("progress", { step: "inspecting" });
    tell("of-a-newer-hub", {});
    tell("state", this.#decided());
    response.end();
  }

  #decided(): unknown {
    if (this.draftState === "rejected")
      return { id: "d1", state: "rejected", problems: [problem("not-onnx").toDocument("r7")] };
    return { id: "d1", state: "published", version: 4, digest: `sha256:${"ab".repeat(32)}` };
  }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function refuse(response: ServerResponse, code: ProblemCode): void {
  const document = problem(code).toDocument("r1");
  response
    .writeHead(document.status, { "content-type": "application/problem+json" })
    .end(JSON.stringify(document));
}
