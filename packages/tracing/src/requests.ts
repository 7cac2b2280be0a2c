import type { FastifyInstance } from "fastify";
import { NO_TRACING, type RequestSpan, type Tracing } from "./tracing.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** The span of this request. */
    span: RequestSpan;
  }
}

/**
 * Gives every request of a service a span; questions about its health have none. Names of modules are attributes,
 * paths are not, for what stands in them may be private.
 */
export function traceRequests(app: FastifyInstance, tracing: Tracing): void {
  app.decorateRequest("span");
  app.addHook("onRequest", (request, _reply, done) => {
    const quiet = request.url.startsWith("/health/") || request.url === "/metrics";
    request.span = (quiet ? NO_TRACING : tracing).request(request.headers);
    done();
  });
  app.addHook("onResponse", (request, reply, done) => {
    const route = request.routeOptions.url ?? "none";
    request.span.end(
      `${request.method} ${route}`,
      {
        "http.request.method": request.method,
        "http.route": route,
        "http.response.status_code": reply.statusCode,
        "modulehub.request_id": request.id,
      },
      reply.statusCode >= 500,
    );
    done();
  });
  app.addHook("onClose", () => tracing.close());
}
