import { randomUUID } from "node:crypto";
import { MAX_PATH_LENGTH } from "@modulehub/core";
import { NO_TRACING, type Tracing } from "@modulehub/tracing";
import { traceRequests } from "@modulehub/tracing/requests";
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  LogController,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from "fastify";
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import type { BlobStore } from "./blobs/blob-store.ts";
import type { Database } from "./database/client.ts";
import { createRowNews } from "./database/row-news.ts";
import type { WorkerClient } from "./gateway/worker-client.ts";
import { HEAD_QUIET, type HeadDeps } from "./heads/commit.ts";
import { publishQuietHead } from "./heads/publish-head.ts";
import { guardRoutes } from "./http/access.ts";
import { revalidateTexts } from "./http/caching.ts";
import { closeInStages } from "./http/close-in-stages.ts";
import { closeLastConnections } from "./http/last-connections.ts";
import { refuseOtherMethods } from "./http/methods.ts";
import { measureRequests } from "./http/metrics.ts";
import { documentRoutes } from "./http/openapi.ts";
import { answerUnreadable, answerWithProblems } from "./http/problem-answers.ts";
import { rewriteUrl } from "./http/request-path.ts";
import { endSlowConnections } from "./http/slow-connections.ts";
import type { Identity } from "./identity/identity.ts";
import { createJobMetrics } from "./jobs/job-metrics.ts";
import { createJobQueue, type JobHandlers, type RetryPolicy } from "./jobs/job-queue.ts";
import { JOB_SETTINGS, type JobSettings } from "./jobs/job-settings.ts";
import type { JobSignal } from "./jobs/job-signals.ts";
import { runJob } from "./jobs/run-job.ts";
import { SWEEP_TIMES, type SweepTimes, startSweeping } from "./jobs/sweep.ts";
import { verifyUpload } from "./publish/complete-upload.ts";
import type { DraftEvent } from "./publish/draft-events.ts";
import { type VerifyDeps, verifyDraft } from "./publish/verify-draft.ts";
import { createResolver } from "./registry/resolver.ts";
import { accountRoutes } from "./routes/accounts.ts";
import { aliasRoutes } from "./routes/aliases.ts";
import { archiveRoutes } from "./routes/archive.ts";
import { auditRoutes } from "./routes/audit.ts";
import { deletionRoutes } from "./routes/deletions.ts";
import { documentationRoutes } from "./routes/documentation.ts";
import { draftRoutes } from "./routes/drafts.ts";
import { fileRoutes } from "./routes/files.ts";
import { headRoutes } from "./routes/heads.ts";
import { healthRoutes } from "./routes/health.ts";
import { inferenceRoutes } from "./routes/inference.ts";
import { internalRoutes } from "./routes/internal.ts";
import { jobFileRoutes } from "./routes/job-files.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { lineageRoutes } from "./routes/lineage.ts";
import { memberRoutes } from "./routes/members.ts";
import { moduleSettingsRoutes } from "./routes/module-settings.ts";
import { moduleRoutes } from "./routes/modules.ts";
import { operationRoutes } from "./routes/operation.ts";
import { pageRoutes } from "./routes/pages.ts";
import { publisherRoutes } from "./routes/publishers.ts";
import { signInRoutes } from "./routes/sign-in.ts";
import { tokenRoutes } from "./routes/tokens.ts";
import { uploadRoutes } from "./routes/uploads.ts";
import { versionRoutes } from "./routes/versions.ts";
import { yankRoutes } from "./routes/yank.ts";

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
  /** The app is only to be described, not used: the job queue is left alone. */
  describeOnly?: boolean;
  /** The least size of an upload's parts, in bytes. Default `PART_SIZE`. */
  partSize?: number;
  /** How long a head is left alone before it is published by itself, in seconds. Default `HEAD_QUIET`. */
  headQuiet?: number;
  /** When what nobody wants any more is deleted. Default `SWEEP_TIMES`. */
  sweep?: SweepTimes;
  /** How many jobs there may be, and for how long. Default `JOB_SETTINGS`. */
  jobSettings?: JobSettings;
  logLevel: string;
  /** Where spans of requests go. Default: nowhere. */
  tracing?: Tracing;
  /** How often a verification is tried when no worker can be reached. Default: for half a minute. */
  retries?: RetryPolicy;
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

/**
 * Connections at once. Each may take another one to a worker, and files and the database need descriptors too:
 * a process that has none left loses more than a request.
 */
const MAX_CONNECTIONS = 4_096;

/** Builds the API, listening nowhere yet. Throws if a route declares no action. */
export async function buildApp(deps: AppDeps): Promise<App> {
  const app: App = Fastify({
    logger: {
      level: deps.logLevel,
      ...(deps.logStream && { stream: deps.logStream }),
      serializers: { req: () => ({}) },
    },
    // One line a request is written when it was answered: http/metrics.ts.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: (request) => {
      const id = request.headers["x-request-id"];
      return typeof id === "string" && /^[\w.-]{1,64}$/.test(id) ? id : randomUUID();
    },
    rewriteUrl,
    // Paths have been checked before; a longer parameter would be answered without a problem document.
    routerOptions: { maxParamLength: 4 * MAX_PATH_LENGTH },
    exposeHeadRoutes: true,
    forceCloseConnections: "idle",
    return503OnClosing: false,
    // A part of an upload takes as long as it takes: http/slow-connections.ts says who is cut off.
    requestTimeout: 0,
    // The job queue and the first sweep are ready when the database is; a machine may be busy.
    pluginTimeout: 120_000,
    http: { headersTimeout: 30_000, connectionsCheckingInterval: 5_000 },
    clientErrorHandler: answerUnreadable,
  }).withTypeProvider<ZodTypeProvider>();

  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  // Fastify would take plain text for a body; here bodies are JSON unless a route says otherwise.
  app.removeContentTypeParser("text/plain");
  answerWithProblems(app);
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id).header("x-content-type-options", "nosniff");
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  endSlowConnections(app);
  closeInStages(app);
  closeLastConnections(app);
  revalidateTexts(app);
  traceRequests(app, deps.tracing ?? NO_TRACING);
  guardRoutes(app, deps.identity, deps.publicUrl);
  const registry = measureRequests(app);
  await documentRoutes(app);
  const addRefusals = refuseOtherMethods(app);

  healthRoutes(app, deps);
  await signInRoutes(app, deps);
  pageRoutes(app, deps);
  operationRoutes(app, registry);
  accountRoutes(app, deps);
  tokenRoutes(app, deps);
  publisherRoutes(app, deps);
  memberRoutes(app, deps);
  auditRoutes(app, deps);
  moduleRoutes(app, deps);
  versionRoutes(app, deps, archiveRoutes(app, deps));
  fileRoutes(app, deps);
  documentationRoutes(app, deps);
  const jobSettings = deps.jobSettings ?? JOB_SETTINGS;
  const jobs = createJobQueue(deps.database, app.log, deps.retries, jobSettings);
  await uploadRoutes(app, { ...deps, log: app.log, jobs });
  internalRoutes(app, deps);
  await jobFileRoutes(app, deps);
  lineageRoutes(app, deps);

  const { database, store, worker } = deps;
  const events = createRowNews<DraftEvent>();
  const resolver = createResolver(database);
  aliasRoutes(app, deps, resolver);
  yankRoutes(app, deps, resolver);
  moduleSettingsRoutes(app, deps, resolver);
  deletionRoutes(app, deps, resolver, events);
  const signals = createRowNews<JobSignal>();
  draftRoutes(app, deps, jobs, events);
  const heads: HeadDeps = { database, store, jobs, quiet: deps.headQuiet ?? HEAD_QUIET };
  headRoutes(app, deps, heads, resolver);
  jobRoutes(app, deps, { jobs, signals, draftEvents: events, settings: jobSettings });
  await inferenceRoutes(app, deps, resolver);
  if (!deps.describeOnly) {
    const verify: VerifyDeps = { database, store, worker, events, log: app.log, forget: resolver.forget };
    let endSweeping = async (): Promise<void> => undefined;
    app.addHook("onReady", async () => {
      const { rememberedSeconds } = jobSettings;
      endSweeping = startSweeping(
        { ...deps, events, log: app.log, registry, rememberedSeconds },
        deps.sweep ?? SWEEP_TIMES,
      );
    });
    app.addHook("onClose", () => endSweeping());
    const run = {
      ...{ database, store, worker, jobs, signals, draftEvents: events, log: app.log, ...jobSettings },
      metrics: createJobMetrics(registry, database),
    };
    const handlers: JobHandlers = {
      inspect: (job) => verifyDraft(verify, job),
      verify: (job) => verifyUpload({ ...deps, log: app.log }, job),
      publishHead: (job) => publishQuietHead(heads, job),
      work: (job) => runJob(run, job),
    };
    app.addHook("onReady", () => jobs.start(handlers));
    app.addHook("onClose", () => jobs.stop());
  }

  addRefusals();
  return app;
}
