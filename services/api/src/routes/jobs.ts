import {
  JOB_KINDS,
  JOB_STATES,
  jobLogLineSchema,
  jobRequestSchema,
  jobSchema,
  jobSummarySchema,
} from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { createJob } from "../jobs/create-job.ts";
import { readLog } from "../jobs/job-log.ts";
import type { JobQueue } from "../jobs/job-queue.ts";
import type { JobSettings } from "../jobs/job-settings.ts";
import type { JobSignals } from "../jobs/job-signals.ts";
import { listJobs } from "../jobs/list-jobs.ts";
import { describeJob, findJob, readJob } from "../jobs/stored-job.ts";
import { cancelJob } from "../jobs/transitions.ts";
import type { DraftEvents } from "../publish/draft-events.ts";
import { jobEventRoutes } from "./job-events.ts";
import { pageQuery, text } from "./schemas.ts";

/** Settings, names, and a class weight for each of many classes. */
const MAX_JOB_BYTES = 262_144;

const job = jobSchema.meta({ id: "Job" });
const jobParams = z.object({ id: z.string().max(64) });

export function jobRoutes(
  app: App,
  deps: AppDeps,
  parts: { jobs: JobQueue; signals: JobSignals; draftEvents: DraftEvents; settings: JobSettings },
): void {
  const { database } = deps;
  const { jobs, signals, draftEvents, settings } = parts;
  const describe = async (id: string) =>
    describeJob(await readJob(database.prisma, id), settings.rememberedSeconds);

  app.post(
    "/v1/jobs",
    {
      config: { action: "job.write" },
      bodyLimit: MAX_JOB_BYTES,
      schema: {
        summary: "Train a module, evaluate one, or rank several on a data set",
        tags: ["jobs"],
        body: jobRequestSchema,
        response: { 202: job },
      },
    },
    async (request, reply) => {
      const { mostUnderWay } = settings;
      const id = await createJob({ database, jobs, mostUnderWay }, request.principal, request.body);
      return reply
        .code(202)
        .header("location", `/v1/jobs/${id}`)
        .send(await describe(id));
    },
  );

  app.get(
    "/v1/jobs",
    {
      config: { action: "job.read" },
      schema: {
        summary: "List the jobs of publishers that the token may write in, newest first",
        tags: ["jobs"],
        querystring: pageQuery.extend({
          publisher: text(64).optional(),
          kind: z.enum(JOB_KINDS).optional(),
          state: z.enum(JOB_STATES).optional(),
        }),
        response: {
          200: z.object({
            items: z.array(jobSummarySchema.meta({ id: "ListedJob" })),
            next: z.string().optional(),
          }),
        },
      },
    },
    async (request) => listJobs(database.prisma, request.principal, request.query),
  );

  app.get(
    "/v1/jobs/:id",
    {
      config: { action: "job.read" },
      schema: { summary: "Read a job", tags: ["jobs"], params: jobParams, response: { 200: job } },
    },
    async (request) =>
      describeJob(
        await findJob(database.prisma, request.principal, "job.read", request.params.id),
        settings.rememberedSeconds,
      ),
  );

  app.delete(
    "/v1/jobs/:id",
    {
      config: { action: "job.write" },
      schema: {
        summary: "Cancel a job; one that has ended stays as it is",
        tags: ["jobs"],
        params: jobParams,
        response: { 200: job },
      },
    },
    async (request) => {
      const { id } = request.params;
      await findJob(database.prisma, request.principal, "job.write", id);
      await cancelJob(database, request.principal, id);
      signals.tell(id, { kind: "changed" });
      const draft = await database.prisma.draft.findUnique({ where: { jobId: id }, select: { id: true } });
      if (draft !== null) draftEvents.tell(draft.id, { kind: "changed" });
      return describe(id);
    },
  );

  app.get(
    "/v1/jobs/:id/log",
    {
      config: { action: "job.read" },
      schema: {
        summary: "The lines of a job's log, oldest first",
        tags: ["jobs"],
        params: jobParams,
        querystring: pageQuery,
        response: { 200: z.object({ items: z.array(jobLogLineSchema), next: z.string().optional() }) },
      },
    },
    async (request) => {
      const { id } = request.params;
      await findJob(database.prisma, request.principal, "job.read", id);
      return readLog(database.prisma, id, request.query);
    },
  );

  jobEventRoutes(app, deps, { signals, rememberedSeconds: settings.rememberedSeconds });
}
