import type { Readable } from "node:stream";
import { ATTEMPT_HEADER, digestSchema, INTERNAL_JOB_ROUTE, problem } from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { receiveJobFile } from "../jobs/job-files.ts";
import { MAX_FILE_BYTES } from "../publish/file-list.ts";

/** What workers send of a job: checkpoints, and files of modules, as bytes by their digest; with the workers' token only. */
export async function jobFileRoutes(app: App, deps: AppDeps): Promise<void> {
  await app.register(async (scope: App) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
    scope.put(
      `${INTERNAL_JOB_ROUTE}:id/files/:digest`,
      {
        config: { action: "worker.write" },
        schema: {
          hide: true,
          params: z.object({ id: z.string().max(64), digest: digestSchema }),
          headers: z.object({
            [ATTEMPT_HEADER]: z.string().max(64),
            "content-length": z.coerce.number().int().min(0).max(MAX_FILE_BYTES),
          }),
          response: { 204: z.undefined() },
        },
      },
      async (request, reply) => {
        const { id, digest } = request.params;
        const attempt = request.headers[ATTEMPT_HEADER];
        if (attempt === undefined) throw problem("invalid-request", `${ATTEMPT_HEADER} is missing.`);
        const size = request.headers["content-length"];
        const body = (request.body as Readable | undefined) ?? request.raw;
        await receiveJobFile({ ...deps, log: request.log }, { id, attempt }, { digest, size }, body).catch(
          (error: unknown) => {
            // Else Node would read what more is sent to its end, if it has one.
            if (!request.raw.complete) reply.header("connection", "close");
            throw error;
          },
        );
        return reply.code(204).send();
      },
    );
  });
}
