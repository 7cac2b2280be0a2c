import type { IncomingHttpHeaders } from "node:http";
import {
  defaultTextMapSetter,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  trace,
} from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import type { RequestSpan, Tracing } from "./tracing.ts";

const getter: TextMapGetter<IncomingHttpHeaders> = {
  get: (headers, name) => headers[name],
  keys: (headers) => Object.keys(headers),
};

/** How long a batch of spans may take to be sent, tries included, in milliseconds: a service that ends waits for it. */
const SEND_MS = 2_000;

/** Spans that are collected and sent in batches. A collector that is away costs spans, never a request. */
export function exportSpans(service: string, collector: string): Tracing {
  const url = `${collector.replace(/\/+$/, "")}/v1/traces`;
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: SEND_MS });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": service, "service.namespace": "modulehub" }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  const tracer = provider.getTracer("modulehub");
  const propagator = new W3CTraceContextPropagator();
  return {
    request(headers): RequestSpan {
      const parent = propagator.extract(ROOT_CONTEXT, headers, getter);
      const span = tracer.startSpan("request", { kind: SpanKind.SERVER }, parent);
      const context = trace.setSpan(parent, span);
      const sent: Record<string, string> = {};
      propagator.inject(context, sent, defaultTextMapSetter);
      return {
        headers: sent,
        part(name, started, ended, attributes = {}) {
          const startTime = performance.timeOrigin + started;
          tracer
            .startSpan(name, { startTime, attributes }, context)
            .end(performance.timeOrigin + Math.max(started, ended));
        },
        end(name, attributes, failed) {
          span.updateName(name).setAttributes(attributes);
          if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
          span.end();
        },
      };
    },
    close: () =>
      provider.shutdown().catch((error: unknown) => {
        process.emitWarning(`The last spans were not sent to ${collector}: ${String(error)}`);
      }),
  };
}
