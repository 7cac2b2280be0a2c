import { z } from "zod";
import type { App, AppDeps } from "../app.ts";

const state = z.enum(["ok", "down"]);

const readiness = z
  .object({
    status: state,
    database: state,
    store: state,
    /** A hub without a worker still serves everything but inference and publishing. */
    worker: state,
  })
  .meta({ id: "Readiness" });

/** Whether the process lives, and whether it can do its work. */
export function healthRoutes(app: App, deps: AppDeps): void {
  app.get(
    "/health/live",
    {
      config: { action: "hub.read" },
      schema: { summary: "Whether the process answers", response: { 200: z.object({ status: state }) } },
      logLevel: "warn",
    },
    async () => ({ status: "ok" as const }),
  );

  app.get(
    "/health/ready",
    {
      config: { action: "hub.read" },
      schema: {
        summary: "Whether the database and the blob store can be reached, and a worker",
        response: { 200: readiness, 503: readiness },
      },
      logLevel: "warn",
    },
    async (request, reply) => {
      const probe = async (part: string, check: () => Promise<unknown>) => {
        try {
          await check();
          return "ok" as const;
        } catch (err) {
          request.log.warn({ err }, `${part} is not ready`);
          return "down" as const;
        }
      };
      const [database, store, worker] = await Promise.all([
        probe("database", () => deps.database.prisma.$queryRaw`SELECT 1`),
        probe("store", () => deps.store.check()),
        probe("worker", () => deps.worker.check()),
      ]);
      const status = database === "ok" && store === "ok" ? ("ok" as const) : ("down" as const);
      return reply
        .code(status === "ok" ? 200 : 503)
        .header("cache-control", "no-store")
        .send({ status, database, store, worker });
    },
  );
}
