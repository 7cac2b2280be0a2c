import { createHash, createHmac, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { S3Settings } from "../blobs/s3-client.ts";

/** How one request goes wrong. */
export type S3Fault =
  | "none"
  /** It is done, and the connection breaks before the answer. */
  | "lost-answer"
  /** It is done, and the answer says that it wasn't. */
  | "error-after"
  /** It isn't done, and the answer is a 500; the next one is none. */
  | "error-before"
  /** It is done, and nothing is ever answered. */
  | "silence"
  /** The connection breaks when so many bytes of the request have come. */
  | { breaksAfter: number }
  /** Half of the bytes come, then the connection breaks. */
  | "truncate"
  /** Another object's answer. */
  | "another"
  /** The right headers, and bytes of which one is wrong. */
  | "wrong-byte"
  | { status: number; code: string };

export type S3Operation =
  | "HeadBucket"
  | "CreateBucket"
  | "CreateMultipartUpload"
  | "UploadPart"
  | "ListParts"
  | "CompleteMultipartUpload"
  | "AbortMultipartUpload"
  | "PutObject"
  | "GetObject"
  | "HeadObject"
  | "DeleteObject"
  | "ListObjects"
  | "ListUploads";

interface DoubleObject {
  bytes: Bytes;
  metadata: Record<string, string>;
  at: Date;
}
interface DoubleUpload {
  key: string;
  metadata: Record<string, string>;
  at: Date;
  parts: Map<number, Bytes>;
}
/** What is kept of bytes: they themselves, or, in a store that drops them, that so many zeros came. */
type Bytes = { kept: Buffer; tag: string } | { zeros: number; tag: string };
const sizeOf = (bytes: Bytes): number => ("kept" in bytes ? bytes.kept.byteLength : bytes.zeros);

const ZEROS = Buffer.alloc(1_048_576);
const NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';

/**
 * An S3 server in memory that goes wrong on request, as real ones can't be made to. It checks the signatures of
 * addresses by the specification (AWS Signature Version 4, "Authenticating Requests: Using Query Parameters"), and
 * speaks as much of the protocol as the blob store does.
 */
export class S3Double {
  /** What goes wrong with a request, told by how often that was asked before about the same object. */
  fault: (operation: S3Operation, attempt: number, key: string) => S3Fault = () => "none";
  /** Milliseconds until what was written is listed, and what was deleted no longer is. */
  listsLate = 0;
  /** Whether an upload that was joined is known for a while, without its parts: SeaweedFS takes them away first. */
  keepsEmptied = false;
  /** Milliseconds that its clock is ahead of everybody's. */
  clockAhead = 0;
  readonly objects = new Map<string, DoubleObject>();
  readonly uploads = new Map<string, DoubleUpload>();
  /** Every request: what it asked for, and its bytes. */
  readonly requests: { operation: S3Operation; key: string; bytes: number }[] = [];
  readonly #credentials = { accessKeyId: "double", secretAccessKey: randomBytes(16).toString("hex") };
  readonly #attempts = new Map<string, number>();
  readonly #deleted: { key: string; object: DoubleObject; at: number }[] = [];
  readonly #drops: boolean;
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch(() => response.destroy());
  });

  /** `drops`: bytes of parts of 1 MiB or more are counted and dropped; their objects are zeros. */
  constructor({ drops = false } = {}) {
    this.#drops = drops;
  }

  async start(): Promise<S3Settings & { endpoint: string }> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const { port } = this.#server.address() as AddressInfo;
    return {
      endpoint: `http://127.0.0.1:${port}`,
      region: "us-east-1",
      bucket: "modulehub",
      pathStyle: true,
      credentials: this.#credentials,
    };
  }

  /** Breaks all connections, as a line does that is down for a moment. */
  cut(): void {
    this.#server.closeAllConnections();
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", "http://double");
    const [, , ...rest] = url.pathname.split("/");
    const key = decodeURIComponent(rest.join("/"));
    const operation = operationOf(request.method ?? "", key, url.searchParams);
    response.setHeader("date", new Date(this.#now()).toUTCString());
    const counted = `${operation} ${key} ${url.searchParams.get("partNumber") ?? ""}`;
    const attempt = this.#attempts.get(counted) ?? 0;
    this.#attempts.set(counted, attempt + 1);
    const noted = { operation, key, bytes: 0 };
    this.requests.push(noted);
    const fault = this.fault(operation, attempt, key);
    const refusal = this.#refusal(request, url);
    const body = await this.#receive(request, operation, (bytes) => {
      noted.bytes += bytes;
      if (typeof fault === "object" && "breaksAfter" in fault && noted.bytes >= fault.breaksAfter)
        request.socket.destroy();
    });
    if (body === undefined) return;
    if (refusal !== undefined) return fail(response, 403, refusal);
    if (fault === "error-before") return fail(response, 500, "InternalError");
    if (typeof fault === "object" && "status" in fault) return fail(response, fault.status, fault.code);
    const answer = this.#act(operation, key, url.searchParams, request, body);
    if (fault === "lost-answer") return void request.socket.destroy();
    if (fault === "silence") return;
    if (fault === "error-after") return fail(response, 500, "InternalError");
    return send(request, response, this.#spoil(answer, fault, key), fault);
  }

  #now(): number {
    return Date.now() + this.clockAhead;
  }

  /** Why an address, or a request that is signed in its headers, is not accepted. */
  #refusal(request: IncomingMessage, url: URL): string | undefined {
    const query = url.searchParams;
    const signature = query.get("X-Amz-Signature");
    const signedAt = query.get("X-Amz-Date") ?? String(request.headers["x-amz-date"]);
    const age = (this.#now() - parseBasicDate(signedAt)) / 1_000;
    // AWS's tolerance for clocks, in seconds.
    if (signature === null) return Math.abs(age) > 900 ? "RequestTimeTooSkewed" : undefined;
    if (age < -900 || age > Number(query.get("X-Amz-Expires"))) return "AccessDenied";
    return signature === this.#signatureOf(request, url) ? undefined : "SignatureDoesNotMatch";
  }

  #signatureOf(request: IncomingMessage, url: URL): string {
    const query = url.searchParams;
    const signed = (query.get("X-Amz-SignedHeaders") ?? "").split(";");
    const encode = (text: string) =>
      encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
    const canonical = [
      request.method,
      url.pathname,
      [...query]
        .filter(([name]) => name !== "X-Amz-Signature")
        .map(([name, value]) => `${encode(name)}=${encode(value)}`)
        .sort()
        .join("&"),
      ...signed.map((name) => `${name}:${request.headers[name] ?? ""}`),
      "",
      signed.join(";"),
      "UNSIGNED-PAYLOAD",
    ].join("\n");
    const date = query.get("X-Amz-Date") ?? "";
    const scope = `${date.slice(0, 8)}/us-east-1/s3/aws4_request`;
    const hashed = createHash("sha256").update(canonical).digest("hex");
    const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest();
    const start: string | Buffer = `AWS4${this.#credentials.secretAccessKey}`;
    const key = scope.split("/").reduce((last: string | Buffer, part) => hmac(last, part), start);
    return hmac(key, ["AWS4-HMAC-SHA256", date, scope, hashed].join("\n")).toString("hex");
  }

  /** Undefined where the client went away. */
  async #receive(
    request: IncomingMessage,
    operation: S3Operation,
    count: (bytes: number) => void,
  ): Promise<Bytes | undefined> {
    const chunks: Buffer[] = [];
    let size = 0;
    const length = Number(request.headers["content-length"]);
    const drops = this.#drops && operation === "UploadPart" && length >= ZEROS.byteLength;
    try {
      for await (const chunk of request) {
        count((chunk as Buffer).byteLength);
        size += (chunk as Buffer).byteLength;
        if (!drops) chunks.push(chunk as Buffer);
      }
    } catch {
      return undefined;
    }
    if (drops) return { zeros: size, tag: `"${size}"` };
    const kept = Buffer.concat(chunks);
    return { kept, tag: `"${createHash("md5").update(kept).digest("hex")}"` };
  }

  #act(
    operation: S3Operation,
    key: string,
    query: URLSearchParams,
    request: IncomingMessage,
    body: Bytes,
  ): Answer {
    const id = query.get("uploadId") ?? "";
    const upload = this.uploads.get(id);
    const text = "kept" in body ? body.kept.toString() : "";
    switch (operation) {
      case "HeadBucket":
      case "CreateBucket":
        return { status: 200 };
      case "CreateMultipartUpload": {
        const made = randomBytes(12).toString("hex");
        const metadata = metadataOf(request);
        this.uploads.set(made, { key, metadata, at: new Date(this.#now()), parts: new Map() });
        return xml("InitiateMultipartUploadResult", `<UploadId>${made}</UploadId>`);
      }
      case "UploadPart":
        if (upload?.key !== key) return NO_SUCH_UPLOAD;
        upload.parts.set(Number(query.get("partNumber")), body);
        return { status: 200, headers: { etag: body.tag } };
      case "ListParts": {
        if (upload?.key !== key) return NO_SUCH_UPLOAD;
        const after = Number(query.get("part-number-marker") ?? 0);
        const all = [...upload.parts].filter(([number]) => number > after).sort(([a], [b]) => a - b);
        const page = all.slice(0, 1_000);
        const parts = page.map(
          ([number, bytes]) =>
            `<Part><PartNumber>${number}</PartNumber><ETag>${bytes.tag}</ETag><Size>${sizeOf(bytes)}</Size></Part>`,
        );
        const more = `<IsTruncated>${all.length > 1_000}</IsTruncated><NextPartNumberMarker>${page.at(-1)?.[0] ?? 0}</NextPartNumberMarker>`;
        return xml("ListPartsResult", more + parts.join(""));
      }
      case "CompleteMultipartUpload": {
        if (upload?.key !== key) return NO_SUCH_UPLOAD;
        const named = [...text.matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)].map(([, n]) => Number(n));
        const tags = [...text.matchAll(/<ETag>(.*?)<\/ETag>/g)].map(([, tag]) =>
          tag?.replaceAll("&quot;", '"'),
        );
        const parts = named.map((number) => upload.parts.get(number));
        if (parts.some((part, index) => part === undefined || part.tag !== tags[index]))
          return { status: 400, code: "InvalidPart" };
        if (this.keepsEmptied) upload.parts.clear();
        else this.uploads.delete(id);
        const bytes = joined(parts.filter((part) => part !== undefined));
        this.objects.set(key, { bytes, metadata: upload.metadata, at: new Date(this.#now()) });
        return xml("CompleteMultipartUploadResult", `<ETag>${bytes.tag}</ETag>`);
      }
      case "AbortMultipartUpload":
        return this.uploads.delete(id) ? { status: 204 } : NO_SUCH_UPLOAD;
      case "PutObject":
        this.objects.set(key, { bytes: body, metadata: metadataOf(request), at: new Date(this.#now()) });
        return { status: 200, headers: { etag: body.tag } };
      case "GetObject":
      case "HeadObject": {
        const object = this.objects.get(key);
        return object === undefined ? { status: 404, code: "NoSuchKey" } : { status: 200, object };
      }
      case "DeleteObject": {
        const object = this.objects.get(key);
        this.objects.delete(key);
        if (object !== undefined) this.#deleted.push({ key, object, at: Date.now() });
        return { status: 204 };
      }
      case "ListObjects": {
        const lately = Date.now() - this.listsLate;
        const gone = this.#deleted
          .filter(({ at }) => at > lately)
          .map(({ key, object }): [string, DoubleObject] => [key, object]);
        const after = query.get("continuation-token") ?? "";
        const all = [...this.objects, ...gone]
          .filter(([name, { at }]) => name > after && at.getTime() - this.clockAhead <= lately)
          .sort(([a], [b]) => (a < b ? -1 : 1));
        const page = all
          .slice(0, 3)
          .map(
            ([name, { at, bytes }]) =>
              `<Contents><Key>${name}</Key><LastModified>${at.toISOString()}</LastModified><Size>${sizeOf(bytes)}</Size></Contents>`,
          );
        const more = `<IsTruncated>${all.length > 3}</IsTruncated><NextContinuationToken>${all[2]?.[0] ?? ""}</NextContinuationToken>`;
        return xml("ListBucketResult", more + page.join(""));
      }
      case "ListUploads": {
        const prefix = query.get("prefix") ?? "";
        const found = [...this.uploads]
          .filter(([, { key }]) => key.startsWith(prefix))
          .map(
            ([id, { key, at }]) =>
              `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${at.toISOString()}</Initiated></Upload>`,
          );
        return xml("ListMultipartUploadsResult", `<IsTruncated>false</IsTruncated>${found.join("")}`);
      }
    }
  }

  #spoil(answer: Answer, fault: S3Fault, key: string): Answer {
    if (answer.object === undefined) return answer;
    if (fault === "another") {
      const other = [...this.objects].find(([name]) => name !== key)?.[1];
      return other === undefined ? answer : { ...answer, object: other };
    }
    if (fault !== "wrong-byte" || !("kept" in answer.object.bytes)) return answer;
    const kept = Buffer.from(answer.object.bytes.kept);
    kept[kept.length >> 1]! ^= 1;
    return { ...answer, object: { ...answer.object, bytes: { ...answer.object.bytes, kept } } };
  }
}

interface Answer {
  status: number;
  code?: string;
  headers?: Record<string, string>;
  text?: string;
  object?: DoubleObject;
}

const NO_SUCH_UPLOAD: Answer = { status: 404, code: "NoSuchUpload" };

const xml = (root: string, content: string): Answer => ({
  status: 200,
  text: `<?xml version="1.0"?><${root} ${NAMESPACE}>${content}</${root}>`,
});

function operationOf(method: string, key: string, query: URLSearchParams): S3Operation {
  if (key === "") {
    if (method === "HEAD") return "HeadBucket";
    if (method === "PUT") return "CreateBucket";
    return query.has("uploads") ? "ListUploads" : "ListObjects";
  }
  if (query.has("uploads")) return "CreateMultipartUpload";
  if (query.has("uploadId"))
    return method === "PUT"
      ? "UploadPart"
      : method === "GET"
        ? "ListParts"
        : method === "POST"
          ? "CompleteMultipartUpload"
          : "AbortMultipartUpload";
  if (method === "PUT") return "PutObject";
  if (method === "DELETE") return "DeleteObject";
  return method === "HEAD" ? "HeadObject" : "GetObject";
}

function metadataOf(request: IncomingMessage): Record<string, string> {
  const all = Object.entries(request.headers).filter(([name]) => name.startsWith("x-amz-meta-"));
  return Object.fromEntries(all.map(([name, value]) => [name, String(value)]));
}

function joined(parts: Bytes[]): Bytes {
  const kept = parts.flatMap((part) => ("kept" in part ? [part.kept] : []));
  if (kept.length < parts.length)
    return { zeros: parts.reduce((sum, part) => sum + sizeOf(part), 0), tag: '"zeros"' };
  const bytes = Buffer.concat(kept);
  return { kept: bytes, tag: `"${createHash("md5").update(bytes).digest("hex")}-${parts.length}"` };
}

function fail(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  fault: S3Fault,
): Promise<void> {
  if (answer.code !== undefined) return fail(response, answer.status, answer.code);
  if (answer.object === undefined)
    return void response.writeHead(answer.status, { ...answer.headers }).end(answer.text);
  const { bytes, metadata, at } = answer.object;
  const size = sizeOf(bytes);
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  const start = Number(range?.[1] ?? 0);
  const end = Math.min(Number(range?.[2] ?? size - 1), size - 1);
  if (range !== null && start >= size) return fail(response, 416, "InvalidRange");
  const length = end - start + 1;
  response.writeHead(range === null ? 200 : 206, {
    ...metadata,
    etag: bytes.tag,
    "last-modified": at.toUTCString(),
    "content-length": length,
    ...(range !== null && { "content-range": `bytes ${start}-${end}/${size}` }),
  });
  if (request.method === "HEAD") return void response.end();
  const stop = fault === "truncate" ? start + (length >> 1) : end + 1;
  await pipeline(Readable.from(pieces(bytes, start, stop)), response, { end: false }).catch(() => undefined);
  if (fault !== "truncate") response.end();
  // What was written has left by then.
  else setTimeout(() => response.destroy(), 20);
}

function* pieces(bytes: Bytes, start: number, stop: number): Generator<Buffer> {
  for (let place = start; place < stop; place += ZEROS.byteLength) {
    const end = Math.min(place + ZEROS.byteLength, stop);
    yield "kept" in bytes ? bytes.kept.subarray(place, end) : ZEROS.subarray(0, end - place);
  }
}

/** Milliseconds since 1970 of `20261129T120000Z`. */
const parseBasicDate = (text: string): number =>
  Date.parse(text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
