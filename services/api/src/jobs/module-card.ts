import { type ModuleCard, type PublishTarget, parseHandle } from "@modulehub/core";
import type { Queries } from "../database/client.ts";
import { cardSchema } from "../registry/card.ts";
import type { StoredJob } from "./stored-job.ts";

/**
 * What the card of a trained module takes from its base: licence and languages, since it holds the base's weights. The
 * base is named unless more people may read the module than the base.
 */
export async function cardFor(
  queries: Queries,
  { subjects, publisher }: StoredJob,
  { module, title, visibility }: PublishTarget,
): Promise<ModuleCard> {
  const [base] = subjects;
  const version =
    base &&
    (await queries.version.findUnique({
      where: { id: base.versionId },
      include: { module: true, documentation: { orderBy: { revision: "desc" }, take: 1 } },
    }));
  if (base === undefined || !version) return {};
  const card = cardSchema.safeParse(version.documentation[0]?.card).data;
  const target = await queries.module.findUnique({ where: { name: parseHandle(module).module } });
  const isPublic = (target?.visibility ?? visibility ?? "private") === "public";
  const isKnown =
    version.module.visibility === "public" || (!isPublic && version.module.publisherId === publisher);
  return {
    ...(title !== undefined && { title }),
    ...(card?.license !== undefined && { license: card.license }),
    ...(card !== undefined && card.languages.length > 0 && { languages: card.languages }),
    ...(isKnown && { baseModel: base.handle }),
  };
}
