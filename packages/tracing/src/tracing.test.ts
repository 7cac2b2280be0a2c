import { expect, test } from "vitest";
import { openTracing } from "./tracing.ts";

test("without a collector a client's trace is passed on, and nothing is made up", async () => {
  const tracing = await openTracing("test", undefined);
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  expect(tracing.request({ traceparent, tracestate: "a=1" }).headers).toEqual({
    traceparent,
    tracestate: "a=1",
  });
  expect(tracing.request({}).headers).toEqual({});
});

test("a collector that is away costs spans, and neither requests nor the end of the service", async () => {
  // Port 9 is discard: nothing listens there.
  const tracing = await openTracing("test", "http://127.0.0.1:9");
  const span = tracing.request({});
  expect(span.headers.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  span.part("queue", performance.now() - 1, performance.now(), { items: 1 });
  span.end("GET /", { "http.response.status_code": 200 }, false);
  await expect(tracing.close()).resolves.toBeUndefined();
});
