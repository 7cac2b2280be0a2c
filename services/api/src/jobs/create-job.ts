import { randomUUID } from "node:crypto";
import {
  type JobRequest,
  type ModuleName,
  type PublishTarget,
  parseModuleName,
  problem,
  publisherOf,
} from "@modulehub/core";
import { blobsOpenTo, takeReferences } from "../blobs/references.ts";
import type { Database, Queries } from "../database/client.ts";
import { isForeignKeyViolation, isUniqueViolation } from "../database/query-errors.ts";
import { inTransaction } from "../database/transaction.ts";
import { recordAudit } from "../identity/audit.ts";
import type { Principal } from "../identity/principal.ts";
import { ensureModule } from "../registry/modules.ts";
import { findPublisher } from "../registry/publishers.ts";
import { deletedVersion } from "../registry/tombstones.ts";
import type { JobQueue } from "./job-queue.ts";
import { resolveSubjects } from "./subjects.ts";

export interface CreateDeps {
  database: Database;
  jobs: JobQueue;
  /** Jobs of one publisher that may be queued or running at once. */
  mostUnderWay: number;
}

/**
 * Makes a job and queues it. What can be known to fail is refused here, before anything is computed. Throws
 * `too-many-jobs`, `data-set-missing`, `version-exists` for a number that is taken, `invalid-request` for a target in
 * another publisher; as `findPublisher`, `resolveSubjects` and `ensureModule` do.
 */
export async function createJob(
  { database, jobs, mostUnderWay }: CreateDeps,
  principal: Principal,
  request: JobRequest,
): Promise<string> {
  const { publisher } = request;
  await findPublisher(database.prisma, principal, "job.write", publisher);
  if (request.kind === "train" && request.publish !== undefined)
    await checkTarget(database, principal, publisher, request.publish);
  const id = randomUUID();
  await inTransaction(database, async (tx) => {
    // Under the publisher's lock, so that two at once are both counted.
    await tx.$queryRaw`SELECT 1 FROM publisher WHERE id = ${publisher} FOR NO KEY UPDATE`;
    await findPublisher(tx, principal, "job.write", publisher);
    const underWay = await tx.job.count({
      where: { publisherId: publisher, state: { in: ["queued", "running"] } },
    });
    if (underWay >= mostUnderWay)
      throw problem("too-many-jobs", `${publisher} has ${underWay} jobs under way, the most that it may.`, {
        retryAfter: 60,
      });
    const subjects = await resolveSubjects(tx, principal, request);
    await holdDataSet(tx, id, request);
    await tx.job.create({
      data: {
        id,
        kind: request.kind,
        publisherId: publisher,
        request,
        subjects,
        askedBy: actorOf(principal),
      },
    });
    await recordAudit(tx, principal, {
      action: "job.write",
      publisher,
      detail: {
        job: id,
        kind: request.kind,
        state: "queued",
        subjects: subjects.map(({ handle }) => handle),
      },
    });
    await jobs.sendJob(tx, { job: id, publisher });
  });
  return id;
}

/** What is kept of whoever starts a job. A route for those without an account would be a bug. */
function actorOf({ account, tokenId, requestId, cap, limitedTo }: Principal) {
  if (account === undefined) throw new Error("A job needs an account that it works for.");
  return {
    account,
    cap,
    ...(tokenId !== undefined && { tokenId }),
    ...(requestId !== undefined && { requestId }),
    ...(limitedTo !== undefined && { limitedTo }),
  };
}

/** Keeps the data set's bytes for the job. */
async function holdDataSet(tx: Queries, id: string, { publisher, dataSet }: JobRequest): Promise<void> {
  const blob = (await blobsOpenTo(tx, publisher, [dataSet.digest])).get(dataSet.digest);
  const holder = { kind: "data-set", id, publisher } as const;
  const kept = blob === undefined ? undefined : await takeReferences(tx, holder, [blob.id]);
  if (kept?.size !== 1)
    throw problem("data-set-missing", `${publisher} has no bytes with the digest ${dataSet.digest}.`);
}

/** That nothing was to be kept of a transaction: it was only to say whether it could be made. */
class Rehearsed extends Error {}

/**
 * Whether a version could be published to a target: what a draft would be refused with is thrown now. The module is
 * made and unmade in one transaction, so that the same rules decide as when the time has come.
 */
async function checkTarget(
  database: Database,
  principal: Principal,
  publisher: string,
  target: PublishTarget,
): Promise<void> {
  const name: ModuleName = parseModuleName(target.module);
  if (publisherOf(name) !== publisher)
    throw problem("invalid-request", `A job of ${publisher} publishes in ${publisher}, not to ${name}.`, {
      errors: [{ path: "publish.module", message: `must begin with ${publisher}/` }],
    });
  const rehearse = async (tx: Queries): Promise<never> => {
    await findPublisher(tx, principal, "module.publish", publisher);
    const module = await ensureModule(tx, principal, name, target.visibility);
    if (target.version !== undefined) {
      const deleted = await deletedVersion(tx, module, target.version);
      if (deleted !== undefined) throw deleted;
      const key = { moduleId: module.id, number: target.version };
      if ((await tx.version.findUnique({ where: { moduleId_number: key } })) !== null)
        throw problem("version-exists", `${name}/${target.version} exists; leave the number out.`);
    }
    throw new Rehearsed();
  };
  const attempt = () =>
    inTransaction(database, rehearse).catch((error: unknown) => {
      if (!(error instanceof Rehearsed)) throw error;
    });
  await attempt().catch((error: unknown) => {
    // Someone made the module, one that clashes with it, or deleted it at the same time: look again.
    if (isUniqueViolation(error) || isForeignKeyViolation(error)) return attempt();
    throw error;
  });
}
