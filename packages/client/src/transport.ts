import { Readable } from "node:stream";
import { type ProblemDocument, ProblemError } from "@modulehub/core";
import { type Dispatcher, request } from "undici";
import { z } from "zod";
import { UnexpectedAnswerError, UnreachableError } from "./connection-error.ts";
import { type RetryRule, withRetries } from "./retry.ts";

export interface CallOptions {
  query?: Record<string, string | number | undefined>;
  /** Sent as JSON. */
  body?: unknown;
  /** Default `safe` for GET, `unsent` otherwise. */
  retry?: RetryRule;
  signal?: AbortSignal;
}

/** Speaks HTTP with one hub: address, token, JSON, problem documents, retries. */
export class Transport {
  /** The hub's address, ending in a slash. */
  readonly url: string;
  readonly #token: string | undefined;

  constructor(url: string, token: string | undefined) {
    this.url = hubAddress(url);
    if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
      throw new TypeError("The token holds characters that no token has; was it copied whole?");
    this.#token = token;
  }

  /**
   * Calls an operation and reads its answer. `path` is relative to the hub's address. Throws ProblemError for
   * a refusal, UnreachableError where no answer came, UnexpectedAnswerError where it has another form.
   */
  async call<T>(
    method: "GET" | "POST" | "PUT" | "DELETE",
    path: string,
    answer: z.ZodType<T>,
    options: CallOptions = {},
  ): Promise<T> {
    const url = new URL(path, this.url);
    for (const [name, value] of Object.entries(options.query ?? {}))
      if (value !== undefined) url.searchParams.set(name, String(value));
    const headers: Record<string, string> = { accept: "application/json" };
    if (options.body !== undefined) headers["content-type"] = "application/json";
    const body = options.body === undefined ? undefined : JSON.stringify(options.body);
    const value = await withRetries(
      options.retry ?? (method === "GET" ? "safe" : "unsent"),
      () => this.#exchange(url, { method, headers, body, signal: options.signal }),
      options.signal,
    );
    const parsed = answer.safeParse(value.json);
    if (parsed.success) return parsed.data;
    throw new UnexpectedAnswerError(this.url, value.status, "a JSON of another form", parsed.error);
  }

  /**
   * Sends raw bytes to an address that the hub gave, once. The token goes along only to the hub itself: the
   * address may be a store's, signed on its own.
   */
  async send(
    url: string,
    body: AsyncIterable<Uint8Array>,
    length: number,
    signal: AbortSignal,
  ): Promise<void> {
    const headers = { "content-type": "application/octet-stream", "content-length": String(length) };
    // undici wants no body at all where there are no bytes.
    const bytes = length === 0 ? undefined : Readable.from(body, { objectMode: false });
    await this.#exchange(new URL(url, this.url), { method: "PUT", headers, body: bytes, signal });
  }

  async #exchange(
    url: URL,
    init: {
      method: Dispatcher.HttpMethod;
      headers: Record<string, string>;
      body: Dispatcher.DispatchOptions["body"] | undefined;
      signal: AbortSignal | undefined;
    },
  ): Promise<{ status: number; json: unknown }> {
    const own = url.origin === new URL(this.url).origin;
    const headers =
      own && this.#token !== undefined
        ? { ...init.headers, authorization: `Bearer ${this.#token}` }
        : init.headers;
    let status: number;
    let type: string;
    let text: string;
    try {
      const response = await request(url, { ...init, headers });
      status = response.statusCode;
      type = String(response.headers["content-type"] ?? "no content type");
      text = await response.body.text();
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new UnreachableError(own ? this.url : url.origin, error);
    }
    const json = parseJson(text);
    if (status >= 200 && status < 300) return { status, json };
    const problem = problemSchema.safeParse(json);
    if (problem.success) throw ProblemError.fromDocument(problem.data);
    throw new UnexpectedAnswerError(own ? this.url : url.origin, status, type);
  }
}

/** Only what decides how an error is handled is checked; the rest is for people to read. */
const problemSchema = z.custom<ProblemDocument>(
  (value) =>
    typeof value === "object" &&
    value !== null &&
    "code" in value &&
    typeof value.code === "string" &&
    "title" in value &&
    typeof value.title === "string",
);

function hubAddress(url: string): string {
  const parsed = URL.parse(url);
  if (!parsed || !/^https?:$/.test(parsed.protocol))
    throw new TypeError(`${url} is not the address of a hub; it looks like http://127.0.0.1:8080`);
  parsed.search = "";
  parsed.hash = "";
  if (!parsed.pathname.endsWith("/")) parsed.pathname += "/";
  return parsed.href;
}

/** Undefined where it is no JSON: the caller's schema refuses that. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
