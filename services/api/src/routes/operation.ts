import type { Registry } from "prom-client";
import type { App } from "../app.ts";
import { allowCaching } from "../http/caching.ts";

/** What operators and tools read: metrics, and the description of this API. */
export function operationRoutes(app: App, registry: Registry): void {
  app.get(
    "/metrics",
    {
      config: { action: "hub.read" },
      schema: { summary: "Metrics in Prometheus' text form" },
      logLevel: "warn",
    },
    async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()),
  );

  app.get(
    "/openapi.json",
    { config: { action: "hub.read" }, schema: { hide: true } },
    async (_request, reply) => {
      allowCaching(reply, "public");
      return reply.type("application/json").send(app.swagger());
    },
  );
}
