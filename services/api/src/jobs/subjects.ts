import {
  type Action,
  classificationOutput,
  embeddingOutput,
  type JobRequest,
  manifestSchema,
  ProblemError,
  parseHandle,
  problem,
} from "@modulehub/core";
import type { Queries } from "../database/client.ts";
import type { Principal } from "../identity/principal.ts";
import { underPresentName } from "../registry/module-moved.ts";
import { findModule } from "../registry/modules.ts";
import { findModuleVersion } from "../registry/versions.ts";
import type { StoredJob, Subject } from "./stored-job.ts";

/** What a job does to the modules that it needs. A trained module holds its base's bytes, so it is as a download. */
const actionOf = (kind: JobRequest["kind"]): Action => (kind === "train" ? "module.download" : "module.run");

const handlesOf = (request: JobRequest): string[] =>
  request.kind === "train"
    ? [request.base]
    : request.kind === "evaluate"
      ? [request.module]
      : [...new Set(request.candidates)];

/**
 * The versions that a job's handles stand for now. Throws as `findModuleVersion` does for what isn't there or may not
 * be used, and `task-mismatch` for one without an embedding, or that is no classifier where one is evaluated.
 */
export async function resolveSubjects(
  queries: Queries,
  principal: Principal,
  request: JobRequest,
): Promise<Subject[]> {
  const subjects: Subject[] = [];
  for (const handle of handlesOf(request)) {
    const { module: name, reference } = parseHandle(handle);
    const { module, version } = await underPresentName(name, (present) =>
      findModuleVersion(queries, principal, actionOf(request.kind), present, reference),
    );
    const manifest = manifestSchema.parse(version.manifest);
    if (request.kind === "evaluate") classificationOutput(manifest);
    else embeddingOutput(manifest);
    subjects.push({
      handle: `${module.name}/${version.number}`,
      digest: version.digest as Subject["digest"],
      versionId: version.id,
    });
  }
  return subjects;
}

/**
 * Looks again at what a job needs: before each try, and before it publishes. Throws `base-unavailable` where one was
 * deleted since, or may not be used any more by whoever the job works for. A yanked version serves on, as it does
 * everywhere for those who name it exactly. Answers with what was yanked.
 */
export async function checkSubjects(
  queries: Queries,
  principal: Principal,
  job: Pick<StoredJob, "kind" | "subjects">,
): Promise<{ yanked: string[] }> {
  const yanked: string[] = [];
  for (const { handle, versionId } of job.subjects) {
    const version = await queries.version.findUnique({
      where: { id: versionId },
      include: { module: { select: { name: true } } },
    });
    if (version === null) throw problem("base-unavailable", `${handle} was deleted.`);
    const { module } = parseHandle(version.module.name);
    await findModule(queries, principal, actionOf(job.kind), module).catch((cause: unknown) => {
      if (!(cause instanceof ProblemError)) throw cause;
      throw problem("base-unavailable", `${handle} may not be used any more by whoever started the job.`, {
        cause,
      });
    });
    if (version.yankedAt !== null) yanked.push(handle);
  }
  return { yanked };
}
