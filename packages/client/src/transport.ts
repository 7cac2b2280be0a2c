import { type ProblemDocument, ProblemError } from "@modulehub/core";
import { z } from "zod";
import { UnexpectedAnswerError, UnreachableError } from "./connection-error.ts";
import { type RetryRule, withRetries } from "./retry.ts";

export interface CallOptions {
  /** A list is sent as the same name several times. */
  query?: Record<string, string | number | boolean | readonly string[] | undefined>;
  /** Sent as JSON. */
  body?: unknown;
  /** Default `safe` for GET, `unsent` otherwise. */
  retry?: RetryRule;
  signal?: AbortSignal;
}

/** Speaks HTTP with one hub, by `fetch`: address, token, JSON, problem documents, retries. */
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
    method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
    path: string,
    answer: z.ZodType<T>,
    options: CallOptions = {},
  ): Promise<T> {
    const url = new URL(path, this.url);
    for (const [name, value] of Object.entries(options.query ?? {}))
      for (const each of value === undefined ? [] : [value].flat())
        url.searchParams.append(name, String(each));
    const headers: Record<string, string> = { accept: "application/json" };
    if (options.body !== undefined) headers["content-type"] = "application/json";
    const body = options.body === undefined ? undefined : JSON.stringify(options.body);
    const { signal } = options;
    const value = await withRetries(
      options.retry ?? (method === "GET" ? "safe" : "unsent"),
      async () => {
        const response = await this.fetch(url, { method, headers, body, signal });
        return { status: response.status, json: parseJson(await this.#text(url, response, signal)) };
      },
      signal,
    );
    const parsed = answer.safeParse(value.json);
    if (parsed.success) return parsed.data;
    throw new UnexpectedAnswerError(this.url, value.status, "a JSON of another form", parsed.error);
  }

  /**
   * One request, with the token where it goes to the hub itself. The answer is a success, its body unread.
   * Throws as `call` does, and what aborted the signal.
   */
  async fetch(url: URL, init: RequestInit): Promise<Response> {
    const signal = init.signal ?? undefined;
    let response: Response;
    try {
      response = await fetch(url, { ...init, headers: this.headersFor(url, init.headers) });
    } catch (error) {
      throw this.broken(url, error, signal);
    }
    if (response.ok) return response;
    const type = response.headers.get("content-type") ?? "no content type";
    throw this.refusal(url, response.status, type, await this.#text(url, response, signal));
  }

  /** The headers of a request: the token is for the hub only, the address may be a store's, signed on its own. */
  headersFor(url: URL, headers: RequestInit["headers"] = {}): Record<string, string> {
    const all = Object.fromEntries(new Headers(headers));
    if (this.#token !== undefined && this.isOwn(url)) all.authorization = `Bearer ${this.#token}`;
    return all;
  }

  /** What an answer that is no success stands for. */
  refusal(url: URL, status: number, contentType: string, text: string): ProblemError | UnexpectedAnswerError {
    const problem = problemSchema.safeParse(parseJson(text));
    if (problem.success) return ProblemError.fromDocument(problem.data);
    return new UnexpectedAnswerError(this.#addressOf(url), status, contentType);
  }

  /** What a request without an answer, or with half of one, stands for: an aborted signal's reason as it is. */
  broken(url: URL, error: unknown, signal: AbortSignal | undefined): unknown {
    return signal?.aborted ? error : new UnreachableError(this.#addressOf(url), error);
  }

  async #text(url: URL, response: Response, signal: AbortSignal | undefined): Promise<string> {
    try {
      return await response.text();
    } catch (error) {
      throw this.broken(url, error, signal);
    }
  }

  /** Whether an address is the hub's own, not a store's. */
  isOwn(url: URL): boolean {
    return url.origin === new URL(this.url).origin;
  }

  #addressOf(url: URL): string {
    return this.isOwn(url) ? this.url : url.origin;
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
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
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
