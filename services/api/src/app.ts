import { randomUUID } from "node:crypto";
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from "fastify";
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import type { BlobStore } from "./blobs/blob-store.ts";
import type { Database } from "./database/client.ts";
import type { WorkerClient } from "./gateway/worker-client.ts";
import { guardRoutes } from "./http/access.ts";
import { refuseOtherMethods } from "./http/methods.ts";
import { measureRequests } from "./http/metrics.ts";
import { documentRoutes } from "./http/openapi.ts";
import { answerWithProblems } from "./http/problem-answers.ts";
import { rewriteUrl } from "./http/request-path.ts";
import type { Identity } from "./identity/principal.ts";
import { healthRoutes } from "./routes/health.ts";
import { operationRoutes } from "./routes/operation.ts";

/** What the API is made of; main.ts, or a test, puts it together. */
export interface AppDeps {
  database: Database;
  store: BlobStore;
  worker: WorkerClient;
  identity: Identity;
  /** The hub's address as clients know it, without a slash at the end. Known once it listens. */
  publicUrl: () => string;
  /** The most bytes that a request for inference may have. */
  maxInferenceBytes: number;
  logLevel: string;
  /** Where the log goes, line by line. Default: standard output. */
  logStream?: { write(line: string): void };
}

export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** Builds the API, listening nowhere yet. Throws if a route declares no action. */
export async function buildApp(deps: AppDeps): Promise<App> {
  const app: App = Fastify({
    logger: {
      level: deps.logLevel,
      ...(deps.logStream && { stream: deps.logStream }),
      serializers: { req: () => ({}) },
    },
    disableRequestLogging: true,
    genReqId: (request) => {
      const id = request.headers["x-request-id"];
      return typeof id === "string" && /^[\w.-]{1,64}$/.test(id) ? id : randomUUID();
    },
    rewriteUrl,
    routerOptions: { maxParamLength: 1024 },
    exposeHeadRoutes: false,
    forceCloseConnections: "idle",
    return503OnClosing: false,
    requestTimeout: 0,
  }).withTypeProvider<ZodTypeProvider>();

  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  answerWithProblems(app);
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id).header("x-content-type-options", "nosniff");
  });
  guardRoutes(app, deps.identity);
  const registry = measureRequests(app);
  await documentRoutes(app);
  const addRefusals = refuseOtherMethods(app);

  healthRoutes(app, deps);
  operationRoutes(app, registry);

  addRefusals();
  return app;
}
