import { parseModuleName, problem, VISIBILITIES } from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { describeModule } from "../registry/module-answer.ts";
import { changeSettings } from "../registry/module-settings.ts";
import type { Resolver } from "../registry/resolver.ts";
import { moduleAnswer } from "./modules.ts";
import { moduleParams, text } from "./schemas.ts";

export function moduleSettingsRoutes(app: App, { database }: AppDeps, resolver: Resolver): void {
  app.put(
    "/-/modules/:module",
    {
      config: { action: "module.settings" },
      schema: {
        summary: "Change who may see a module, or its name; former names redirect",
        tags: ["modules"],
        params: moduleParams,
        body: z.strictObject({
          visibility: z.enum(VISIBILITIES).optional(),
          module: text(128)
            .optional()
            .meta({ description: "Another name, in this publisher or in another one that the token owns" }),
        }),
        response: { 200: moduleAnswer },
      },
    },
    async (request) => {
      const name = parseModuleName(request.params.module);
      const settings = request.body;
      if (settings.visibility === undefined && settings.module === undefined)
        throw problem("invalid-request", "Name what is to be changed: visibility, module, or both.");
      const changed = await resolver.changing(name, () =>
        changeSettings(database, request.principal, name, settings),
      );
      resolver.forget(changed.name);
      return describeModule(database.prisma, changed.id);
    },
  );
}
