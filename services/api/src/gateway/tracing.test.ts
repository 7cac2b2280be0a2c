import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { openTracing } from "@modulehub/tracing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";

/** What OTLP's JSON form says of a span (opentelemetry-proto, trace.proto), as far as it is looked at here. */
interface Span {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  attributes: { key: string; value: Record<string, unknown> }[];
}

const spans: Span[] = [];
const collector = createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => {
    body += String(chunk);
  });
  request.on("end", () => {
    const { resourceSpans } = JSON.parse(body) as {
      resourceSpans: { scopeSpans: { spans: Span[] }[] }[];
    };
    for (const { scopeSpans } of resourceSpans) for (const scope of scopeSpans) spans.push(...scope.spans);
    response.end("{}");
  });
});

let hub: TestHub;
beforeAll(async () => {
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  const { port } = collector.address() as AddressInfo;
  hub = await startTestHub({ tracing: await openTracing("modulehub-api", `http://127.0.0.1:${port}`) });
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  await publish(hub, "acme/traced", moduleFiles("traced"), { visibility: "public" });
}, 60_000);
afterAll(async () => {
  await hub.close();
  collector.close();
});

test("a call's span continues the client's trace, and the worker is sent what continues it", async () => {
  const trace = "0af7651916cd43dd8448eb211c80319c";
  let sent: unknown;
  hub.worker.behaviour.infer = (request, response) => {
    sent = request.headers.traceparent;
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  };
  await ask(
    hub,
    "POST",
    "/v1/modules/acme/traced/infer",
    { inputs: { text: ["x"] } },
    { traceparent: `00-${trace}-b7ad6b7169203331-01` },
  );
  await hub.app.close();
  const span = spans.find(({ name, traceId }) => traceId === trace && name.startsWith("POST "));
  expect(span).toMatchObject({ parentSpanId: "b7ad6b7169203331" });
  expect(sent).toBe(`00-${trace}-${span?.spanId}-01`);
  expect(span?.attributes).toContainEqual({ key: "http.response.status_code", value: { intValue: 200 } });
  // Names of modules may be private.
  expect(JSON.stringify(spans)).not.toContain("acme/traced");
});
