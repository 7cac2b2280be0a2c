import type { IncomingHttpHeaders } from "node:http";

/** Facts of a span. The field's names where there are some: `http.route`, `http.response.status_code`. */
export type Attributes = Record<string, string | number | boolean>;

/** A request while it is being answered. Times are on the clock of `performance.now()`. */
export interface RequestSpan {
  /** What another service must be sent so that its span becomes a child of this one. */
  readonly headers: Readonly<Record<string, string>>;
  /** A part of the request that is over. */
  part(name: string, started: number, ended: number, attributes?: Attributes): void;
  /** The answer is out. */
  end(name: string, attributes: Attributes, failed: boolean): void;
}

/** Where spans go. */
export interface Tracing {
  /** Begins the span of a request, a child of the one that its headers name (W3C Trace Context). */
  request(headers: IncomingHttpHeaders): RequestSpan;
  /** Sends what is left; never throws. */
  close(): Promise<void>;
}

/** Makes no spans, and passes on what a client sent, so that a trace goes on behind this service. */
export const NO_TRACING: Tracing = {
  request: (headers) => ({ headers: passedOn(headers), part: () => undefined, end: () => undefined }),
  close: async () => undefined,
};

/**
 * Spans by OTLP over HTTP to a collector such as `http://127.0.0.1:4318`; without one, none. Its libraries are loaded
 * only where they are used.
 */
export async function openTracing(service: string, collector: string | undefined): Promise<Tracing> {
  if (collector === undefined) return NO_TRACING;
  const { exportSpans } = await import("./export.ts");
  return exportSpans(service, collector);
}

const NOTHING: Readonly<Record<string, string>> = {};

function passedOn({ traceparent, tracestate }: IncomingHttpHeaders): Readonly<Record<string, string>> {
  if (typeof traceparent !== "string") return NOTHING;
  return { traceparent, ...(typeof tracestate === "string" && { tracestate }) };
}
