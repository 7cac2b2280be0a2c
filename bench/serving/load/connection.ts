import { connect, type Socket } from "node:net";

/** What a server answered. */
export interface Answer {
  status: number;
  /** By lower-case name. */
  headers: Map<string, string>;
  body: Uint8Array;
}

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

const EMPTY = Buffer.alloc(0);

/** A request in the bytes of HTTP/1.1, to be sent as often as it is wanted. */
export function requestBytes(
  method: string,
  origin: URL,
  path: string,
  headers: Record<string, string>,
  body: string | Uint8Array | null,
): Buffer {
  const bytes = body === null ? EMPTY : Buffer.from(body);
  const lines = [`${method} ${path} HTTP/1.1`, `host: ${origin.host}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body !== null) lines.push(`content-length: ${bytes.byteLength}`);
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), bytes]);
}

/**
 * A connection that is kept, with one request at a time. It does as little as HTTP/1.1 allows, for what a client's
 * library takes of the cores and the time that it needs to notice an answer would count as the server's: a request
 * is one write of bytes that were there before, an answer is read as it comes.
 */
export class Connection {
  readonly #origin: URL;
  readonly #timeoutMs: number;
  #socket: Socket | undefined;
  #waiting: Waiting | undefined;
  #pending: Buffer = EMPTY;

  constructor(origin: URL, timeoutMs: number) {
    this.#origin = origin;
    this.#timeoutMs = timeoutMs;
  }

  /** Sends a request, on a new connection where the last was closed. Throws where no whole answer comes. */
  ask(request: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(new Error("no answer in time")), this.#timeoutMs);
      this.#waiting = { resolve, reject, timer };
      this.#socket ??= this.#open();
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket?.destroy();
  }

  #open(): Socket {
    const socket = connect({ host: this.#origin.hostname, port: Number(this.#origin.port), noDelay: true });
    this.#pending = EMPTY;
    socket.on("data", (chunk: Buffer) => {
      this.#pending = this.#pending.byteLength === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
      this.#read(false);
    });
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#read(true);
      this.#fail(new Error("the connection was closed before the answer was whole"));
    });
    return socket;
  }

  #fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
    if (!waiting) return;
    clearTimeout(waiting.timer);
    waiting.reject(error);
  }

  #read(ended: boolean): void {
    const waiting = this.#waiting;
    const answer = waiting && parseAnswer(this.#pending, ended);
    if (!answer) return;
    this.#pending = EMPTY;
    this.#waiting = undefined;
    clearTimeout(waiting.timer);
    if (answer.headers.get("connection")?.toLowerCase() === "close") {
      this.#socket?.destroy();
      this.#socket = undefined;
    }
    waiting.resolve(answer);
  }
}

/** The answer in the bytes that have come; undefined while it isn't whole. */
export function parseAnswer(bytes: Buffer, ended: boolean): Answer | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const [first = "", ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  const rest = bytes.subarray(headEnd + 4);
  const length = headers.get("content-length");
  let body: Uint8Array | undefined;
  if (headers.get("transfer-encoding")?.toLowerCase() === "chunked") body = joinChunks(rest);
  else if (length !== undefined)
    body = rest.byteLength >= Number(length) ? rest.subarray(0, Number(length)) : undefined;
  else if (ended) body = rest;
  return body && { status: Number(first.split(" ")[1]), headers, body };
}

function joinChunks(bytes: Buffer): Uint8Array | undefined {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    if (Number.isNaN(size)) throw new Error("a chunk has no size");
    const begin = lineEnd + 2;
    if (bytes.byteLength < begin + size + 2) return undefined;
    if (size === 0) return Buffer.concat(chunks);
    chunks.push(bytes.subarray(begin, begin + size));
    at = begin + size + 2;
  }
}
