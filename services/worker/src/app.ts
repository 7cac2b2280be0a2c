import { randomUUID, timingSafeEqual } from "node:crypto";
import {
  BINARY_HEADER,
  inspectRequestSchema,
  ProblemError,
  problem,
  WORKER_HEADERS,
  WORKER_ROUTES,
} from "@modulehub/core";
import type { Tracing } from "@modulehub/tracing";
import { traceRequests } from "@modulehub/tracing/requests";
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyServerOptions,
  LogController,
} from "fastify";
import type { Probed } from "./engines/probe.ts";
import type { Inspector } from "./inspection/inspector.ts";
import type { WorkerMetrics } from "./metrics.ts";
import type { OpenRequests } from "./open-requests.ts";
import { jsonBody, mediaType, patienceOfHub, readBody } from "./protocols/body.ts";
import { classify } from "./protocols/classify.ts";
import { embed } from "./protocols/embed.ts";
import { inferBinary } from "./protocols/native-binary.ts";
import { inferJson } from "./protocols/native-json.ts";
import { ClientGone, goneSignal, type ProtocolDeps } from "./protocols/request-context.ts";
import { jobRoute } from "./training/job-route.ts";
import type { Jobs } from "./training/jobs.ts";

/** Whether the worker can serve: which execution providers really ran something, or why none did. */
export type Readiness = ({ ready: true } & Probed) | { ready: false; reason: string };

export interface AppDeps extends ProtocolDeps {
  /** The token that API and workers share. */
  token: string;
  inspector: Inspector;
  metrics: WorkerMetrics;
  readiness: () => Readiness;
  requests: OpenRequests;
  jobs: Jobs;
  logger: FastifyServerOptions["logger"];
  /** Where spans of requests go. */
  tracing: Tracing;
}

/** A request for inspection names files, nothing more. */
const MAX_INSPECT_BYTES = 32 * 1024 * 1024;

const REQUEST_ID = /^[\w.:-]{1,128}$/;

/** The worker's HTTP service, with everything that it needs passed in. */
export function buildApp(deps: AppDeps): FastifyInstance {
  const app = Fastify({
    ...(deps.logger !== undefined && { logger: deps.logger }),
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: "idle",
    genReqId: (request) => {
      const given = request.headers[WORKER_HEADERS.requestId];
      return typeof given === "string" && REQUEST_ID.test(given) ? given : randomUUID();
    },
  });
  // Bodies are read by the routes, which know how much they take.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));

  traceRequests(app, deps.tracing);
  const allowed = tokenCheck(deps.token);
  // Asynchronous: when it is over, a short body has come with its head (readBody).
  app.addHook("onRequest", async (request, reply) => {
    void reply.header(WORKER_HEADERS.requestId, request.id);
    if (request.url.startsWith("/health/")) return;
    if (!allowed(request.headers.authorization)) throw problem("unauthenticated");
    if (request.url === "/metrics") return;
    if (deps.requests.draining) {
      void reply.header("connection", "close");
      throw problem("shutting-down", undefined, { retryAfter: 1 });
    }
    deps.requests.begin(request);
    reply.raw.once("close", () => deps.requests.end(request));
  });
  app.addHook("onResponse", (request, reply, done) => {
    deps.requests.end(request);
    const route = request.routeOptions.url ?? "none";
    deps.metrics.answered(route, reply.statusCode, reply.elapsedTime / 1000);
    if (!route.startsWith("/health/"))
      request.log.info({ route, status: reply.statusCode, ms: Math.round(reply.elapsedTime) }, "answered");
    done();
  });
  app.setNotFoundHandler(() => {
    throw problem("not-found");
  });
  app.setErrorHandler((error, request, reply) => {
    if (error instanceof ClientGone) return reply.code(499).send();
    const known = asProblem(error);
    if (known.code === "internal") request.log.error({ err: error, cause: known.cause }, "failed");
    // What the catalogue foresees needs no stack: under load there may be many of them.
    else if (known.status >= 500)
      request.log.warn({ code: known.code, detail: known.message, cause: known.cause }, "failed");
    deps.metrics.refused(known.code);
    return sendProblem(reply, known, request.id);
  });

  app.post(WORKER_ROUTES.infer, async (request, reply) => {
    const type = mediaType(request);
    if (request.headers[BINARY_HEADER] !== undefined) return inferBinary(deps, request, reply);
    if (type !== "application/json")
      throw problem(
        "unsupported-media-type",
        `Send application/json, or the binary form with ${BINARY_HEADER}.`,
      );
    return inferJson(deps, request, reply);
  });
  app.post(WORKER_ROUTES.embed, (request, reply) => embed(deps, request, reply));
  app.post(WORKER_ROUTES.classify, (request, reply) => classify(deps, request, reply));
  app.post(WORKER_ROUTES.inspect, async (request, reply) => {
    const gone = goneSignal(reply);
    const body = await jsonBody(
      await readBody(request, MAX_INSPECT_BYTES),
      deps.threads,
      patienceOfHub(gone),
    );
    const parsed = inspectRequestSchema.safeParse(body);
    if (!parsed.success) throw problem("invalid-request", 'The body must be {"digest", "files"}.');
    return deps.inspector.inspect(parsed.data, gone);
  });
  jobRoute(app, deps);
  app.get("/health/live", async () => ({ status: "live" }));
  app.get("/health/ready", async (_request, reply) => {
    const readiness = deps.readiness();
    if (!readiness.ready) void reply.code(503).header("retry-after", "1");
    return { status: readiness.ready ? "ready" : "starting", ...readiness };
  });
  app.get("/metrics", async (_request, reply) => {
    void reply.type(deps.metrics.registry.contentType);
    return deps.metrics.registry.metrics();
  });
  return app;
}

/** Takes as long whatever of the token is wrong, but for its length, which is no secret. */
function tokenCheck(token: string): (authorization: string | undefined) => boolean {
  const expected = Buffer.from(`Bearer ${token}`);
  return (authorization = "") => {
    const given = Buffer.from(authorization);
    return given.byteLength === expected.byteLength && timingSafeEqual(given, expected);
  };
}

function asProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  const status = error instanceof Error && "statusCode" in error ? error.statusCode : undefined;
  if (status === 413) return problem("body-too-large");
  if (status === 415) return problem("unsupported-media-type");
  if (typeof status === "number" && status >= 400 && status < 500)
    return problem("invalid-request", "The request can't be read.", { cause: error });
  return problem("internal", undefined, { cause: error });
}

function sendProblem(reply: FastifyReply, error: ProblemError, requestId: string): FastifyReply {
  if (error.retryAfter !== undefined) void reply.header("retry-after", String(error.retryAfter));
  // What is left of an unread body must not be taken for the next request.
  if (error.code === "body-too-large") void reply.header("connection", "close");
  const document = error.toDocument(requestId);
  // Bytes, so that no charset is added: the media type has none.
  const body = Buffer.from(JSON.stringify(document));
  return reply.code(error.status).type("application/problem+json").send(body);
}
