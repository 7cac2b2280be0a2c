import { ProblemError, saysStoreFull } from "@modulehub/core";

/** No answer came: the hub is not there, or the connection broke. */
export class UnreachableError extends Error {
  /** Where the hub was expected. */
  readonly url: string;
  /** The system's or Node's code, such as `ECONNREFUSED`. */
  readonly code: string;
  /** Whether the request may have arrived; where it surely didn't, anything may be tried again. */
  readonly sent: boolean;

  constructor(url: string, cause: unknown) {
    const code = errorCode(cause);
    const sent = !NOTHING_SENT.has(code);
    super(
      sent
        ? `The connection to the hub at ${url} broke (${code}). Check that it is running, then try again.`
        : `No hub answers at ${url} (${code}). Start one with "modulehub serve", or give the address of another.`,
      { cause },
    );
    this.name = "UnreachableError";
    this.url = url;
    this.code = code;
    this.sent = sent;
  }
}

/** Something answered, but not in the words of a hub: a proxy, or another program at this address. */
export class UnexpectedAnswerError extends Error {
  readonly url: string;
  readonly status: number;

  constructor(url: string, status: number, what: string, cause?: unknown) {
    super(
      `What answered at ${url} is not a Modulehub of this release (HTTP ${status}, ${what}). Check the address.`,
      {
        cause,
      },
    );
    this.name = "UnexpectedAnswerError";
    this.url = url;
    this.status = status;
  }
}

/** The store that the hub keeps its bytes in, to which it sends clients with them, did not take some. */
export class StoreRefusalError extends ProblemError {
  /** The status that the store answered with; `status` is that of the problem. */
  readonly storeStatus: number;

  /** `said`: the body of its answer, in which S3 servers name what is wrong. */
  constructor(origin: string, status: number, said: string) {
    const name = /<Code>([\w.]{1,64})<\/Code>/.exec(said)?.[1];
    const isFull = saysStoreFull(status, name ?? "");
    const answer = `The blob store at ${origin} answered ${status}${name === undefined ? "" : ` (${name})`}`;
    super(
      "store-unavailable",
      isFull ? `${answer}: it is full; make room, then publish again.` : `${answer} to a part of a file.`,
    );
    this.name = "StoreRefusalError";
    this.storeStatus = status;
  }
}

/** Files on this machine can't be read or written as is needed; the message says which and what to do. */
export class LocalFileError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "LocalFileError";
  }
}

const NOTHING_SENT = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** `fetch` throws a TypeError whose cause knows more. */
function errorCode(error: unknown): string {
  for (let inner = error; inner instanceof Error; inner = inner.cause)
    if ("code" in inner && typeof inner.code === "string") return inner.code;
  return error instanceof Error ? error.name : "unknown";
}
