import { problem } from "@modulehub/core";
import type { FastifyInstance, HTTPMethods } from "fastify";

const METHODS: HTTPMethods[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/**
 * Answers 405 with `Allow` for the methods that an address does not take. Called before the routes are made;
 * the function that comes back adds what is missing once they all are.
 */
export function refuseOtherMethods(app: FastifyInstance): () => void {
  const taken = new Map<string, Set<string>>();
  app.addHook("onRoute", (route) => {
    const methods = taken.get(route.url) ?? new Set();
    for (const method of [route.method].flat()) methods.add(method);
    taken.set(route.url, methods);
  });
  return () => {
    for (const [url, methods] of [...taken]) {
      const allow = METHODS.filter((method) => methods.has(method)).join(", ");
      app.route({
        method: METHODS.filter((method) => !methods.has(method)),
        url,
        config: { action: "hub.read", refusesMethod: true },
        schema: { hide: true },
        // A body of any kind may come; it is not read.
        onRequest: async (_request, reply) => {
          reply.header("allow", allow);
          throw problem("method-not-allowed", `This address takes ${allow}.`);
        },
        handler: async () => undefined,
      });
    }
  };
}
