import { WORKER_ROUTES } from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { forward } from "../gateway/forward.ts";
import type { Resolver } from "../registry/resolver.ts";
import { handleOf, moduleParams, versionParams } from "./schemas.ts";

const OPERATIONS = [
  ["infer", "Run a signature: JSON tensors, or the binary form of the Open Inference Protocol"],
  ["embed", "Embed texts or images"],
  ["classify", "Classify texts or images"],
] as const;

/** A picture as the body leaves no other place for it. The worker says what is wrong with one; here it is passed on. */
const classifyQuery = z.object({
  topK: z.string().max(10).optional().meta({ type: "integer", minimum: 1 }),
});

/** Inference: everything in a request but its address is between the client and the worker. */
export async function inferenceRoutes(app: App, deps: AppDeps, resolver: Resolver): Promise<void> {
  await app.register(async (scope: App) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, payload, done) => done(null, payload));

    for (const [operation, summary] of OPERATIONS)
      for (const [url, params] of [
        [`/-/modules/:module/${operation}`, moduleParams],
        [`/-/modules/:module/versions/:version/${operation}`, versionParams],
      ] as const)
        scope.post<{ Params: { module: string; version?: string }; Querystring: { topK?: string } }>(
          url,
          {
            config: { action: "module.run" },
            schema: {
              summary,
              tags: ["inference"],
              params: params satisfies z.ZodType,
              ...(operation === "classify" && { querystring: classifyQuery }),
            },
          },
          async (request, reply) => {
            const { module, reference } = handleOf(request.params);
            const resolution = await resolver.resolve(request.principal, "module.run", module, reference);
            const topK = operation === "classify" ? request.query.topK : undefined;
            const query = topK === undefined ? "" : `?${new URLSearchParams({ topK })}`;
            const path = WORKER_ROUTES[operation] + query;
            const target = { path, module, resolution, maxBytes: deps.maxInferenceBytes };
            await forward(deps.worker, target, request, reply);
            return reply;
          },
        );
  });
}
