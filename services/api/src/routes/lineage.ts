import {
  type Handle,
  lineageSchema,
  parseHandle,
  storedEvaluationSchema,
  versionComparisonSchema,
} from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { compareVersions } from "../registry/comparison.ts";
import { lineageOf, listEvaluations } from "../registry/lineage.ts";
import { findModuleVersion } from "../registry/versions.ts";
import { handleOf, pageQuery, versionParams } from "./schemas.ts";

/** Where versions come from, what came from them, and how well they do. */
export function lineageRoutes(app: App, { database }: AppDeps): void {
  app.get(
    "/-/modules/:module/versions/:version/lineage",
    {
      config: { action: "module.read" },
      schema: {
        summary: "What a version was trained from, and what was trained from it",
        tags: ["versions"],
        params: versionParams,
        response: { 200: lineageSchema.meta({ id: "Lineage" }) },
      },
    },
    async (request) => {
      const { module, reference } = handleOf(request.params);
      const { principal } = request;
      const found = await findModuleVersion(database.prisma, principal, "module.read", module, reference);
      return lineageOf(database.prisma, principal, found);
    },
  );

  app.get(
    "/-/modules/:module/versions/:version/evaluations",
    {
      config: { action: "module.read" },
      schema: {
        summary: "How well a version did on data sets, newest first",
        tags: ["versions"],
        params: versionParams,
        querystring: pageQuery,
        response: {
          200: z.object({
            items: z.array(storedEvaluationSchema.meta({ id: "StoredEvaluation" })),
            next: z.string().optional(),
          }),
        },
      },
    },
    async (request) => {
      const { module, reference } = handleOf(request.params);
      const { principal } = request;
      const found = await findModuleVersion(database.prisma, principal, "module.read", module, reference);
      return listEvaluations(database.prisma, principal, found, request.query);
    },
  );

  app.get(
    "/-/modules/:module/versions/:version/comparison",
    {
      config: { action: "module.read" },
      schema: {
        summary: "How a version does beside another, on all data that both were evaluated on",
        tags: ["versions"],
        params: versionParams,
        querystring: z.object({ with: z.string().max(1024) }),
        response: { 200: versionComparisonSchema.meta({ id: "VersionComparison" }) },
      },
    },
    async (request) => {
      const { principal } = request;
      const find = ({ module, reference }: Handle) =>
        findModuleVersion(database.prisma, principal, "module.read", module, reference);
      const first = await find(parseHandle(request.query.with));
      return compareVersions(database.prisma, principal, first, await find(handleOf(request.params)));
    },
  );
}
