import { hash } from "node:crypto";
import {
  digestOfHex,
  fileRole,
  type InspectResponse,
  type Manifest,
  type ModuleName,
  manifestPaths,
  ProblemError,
  parseManifest,
  parseModuleName,
  problem,
  versionContent,
} from "@modulehub/core";
import type { FastifyBaseLogger } from "fastify";
import type { BlobStore } from "../blobs/blob-store.ts";
import { readWhole } from "../blobs/pieces.ts";
import { readText } from "../blobs/read-text.ts";
import { storedBlob } from "../blobs/references.ts";
import type { Database } from "../database/client.ts";
import { signalWhen } from "../database/row-news.ts";
import { storableJson } from "../database/storable.ts";
import type { WorkerClient } from "../gateway/worker-client.ts";
import type { InspectionJob } from "../jobs/job-queue.ts";
import { CARD_BYTES, readCard } from "../registry/card.ts";
import { type Draft, readDraft } from "./draft.ts";
import type { DraftEvents, VerifyStep } from "./draft-events.ts";
import { checkManifestFiles, type ListedFile } from "./file-list.ts";
import { failDraft, publishVersion, rejectDraft } from "./transitions.ts";

/** Of each file of labels, what search knows: a thousand of them and more. */
const LABEL_BYTES = 65_536;

export interface VerifyDeps {
  database: Database;
  store: BlobStore;
  worker: WorkerClient;
  events: DraftEvents;
  log: FastifyBaseLogger;
  /** Called after a version was published, for what is remembered about its module. */
  forget: (module: ModuleName) => void;
}

/**
 * The job that decides a draft in `verifying`: the manifest is read, the digest computed, the module
 * inspected by a worker. What is the module's fault rejects the draft; what is the world's throws, to be
 * tried again, and fails the draft at the last try. May run twice, or beside itself, without harm.
 */
export async function verifyDraft(deps: VerifyDeps, job: InspectionJob): Promise<void> {
  const { database, events, log } = deps;
  const draft = await findDraftOf(database, job);
  if (draft?.state !== "verifying") return;
  const watch = watchForLeaving(deps, draft.id);
  try {
    await decide(deps, draft, AbortSignal.any([job.signal, watch.signal]));
  } catch (error) {
    // A module that was deleted takes its drafts along.
    const isGone = error instanceof ProblemError && error.code === "draft-not-found";
    if (watch.signal.aborted || isGone) {
      log.info({ draft: draft.id }, "verification was given up: the draft was cancelled");
      return;
    }
    if (!job.last || job.signal.aborted) {
      log.warn({ err: error, draft: draft.id }, "verification will be tried again");
      await tellStep(deps, draft.id, "waiting");
      throw error;
    }
    log.error({ err: error, draft: draft.id }, "verification failed");
    const known = error instanceof ProblemError && error.status >= 500 ? error : problem("internal");
    await failDraft(database, draft.id, [known.toDocument()]);
  } finally {
    watch.end();
  }
  events.tell(draft.id, { kind: "changed" });
}

/** Tells watchers here at once; those at other replicas see the row. */
async function tellStep(
  { database, events, log }: VerifyDeps,
  draft: string,
  step: VerifyStep,
): Promise<void> {
  events.tell(draft, { kind: "progress", step });
  // Not `updated_at`, which tells states apart. That nobody hears of a step is no reason not to go it.
  await database.prisma.$executeRaw`
    UPDATE draft SET step = ${step} WHERE id = ${draft} AND state = 'verifying'`.catch((err: unknown) =>
    log.warn({ err, draft }, "a step of a verification was not written down"),
  );
}

/** The draft of a job; undefined where its module was deleted, and it with that. */
async function findDraftOf({ prisma }: Database, job: InspectionJob): Promise<Draft | undefined> {
  try {
    return await readDraft(prisma, job.draft);
  } catch (error) {
    if (error instanceof ProblemError && error.code === "draft-not-found") return undefined;
    throw error;
  }
}

/** A signal that is given when the draft leaves `verifying`, whichever process made it leave. */
function watchForLeaving({ database, events, log }: VerifyDeps, id: string) {
  const isSo = async () => {
    const row = await database.prisma.draft.findUnique({ where: { id }, select: { state: true } });
    return row?.state !== "verifying";
  };
  return signalWhen({ database, log, news: events, id, isSo });
}

async function decide(deps: VerifyDeps, draft: Draft, signal: AbortSignal): Promise<void> {
  const { database } = deps;
  await tellStep(deps, draft.id, "reading");
  const bytes = await manifestBytes(deps, draft);
  let manifest: Manifest;
  try {
    manifest = parseManifest(bytes);
    checkManifestFiles(manifest, draft.files);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    await rejectDraft(database, draft.id, [error.toDocument()]);
    return;
  }
  const digest = digestOfHex(hash("sha256", versionContent(draft.files, manifest)));
  const used = manifestPaths(manifest);
  const files = draft.files.map((file) => ({ ...file, role: fileRole(file.path, used) }));
  await tellStep(deps, draft.id, "inspecting");
  const outcome: InspectResponse = await deps.worker.inspect({ digest, files }, signal);
  if (outcome.outcome === "rejected") {
    await rejectDraft(database, draft.id, outcome.problems);
    return;
  }
  const { report } = outcome;
  const batching = Object.fromEntries(
    Object.entries(report.signatures).map(([name, signature]) => [name, signature.batching]),
  );
  const readme = draft.files.find(({ path }) => path === "README.md");
  const card = readCard(readme && (await readText(database.prisma, deps.store, readme.digest, CARD_BYTES)));
  const labels = await labelsOf(deps, manifest, draft.files);
  await publishVersion(database, draft.id, { digest, manifest, report, batching, card, labels });
  // It may have been renamed meanwhile.
  const { module } = await readDraft(database.prisma, draft.id);
  deps.forget(parseModuleName(module));
}

/** What a module tells apart, one a line, as far as search knows it. Inspection has found the files to be texts. */
async function labelsOf(
  { database, store }: VerifyDeps,
  manifest: Manifest,
  files: readonly ListedFile[],
): Promise<string | undefined> {
  const steps = Object.values(manifest.signatures).flatMap((signature) => signature.steps ?? []);
  const paths = new Set(steps.flatMap((step) => ("labels" in step ? [step.labels.labels] : [])));
  const texts: string[] = [];
  for (const { path, digest } of files)
    if (paths.has(path)) texts.push(await readText(database.prisma, store, digest, LABEL_BYTES));
  return texts.length === 0 ? undefined : JSON.parse(storableJson(texts.join("\n")));
}

/** The bytes of module.json; their number was bounded when the draft was opened. */
async function manifestBytes(deps: VerifyDeps, draft: Draft): Promise<Uint8Array> {
  const file = draft.files.find(({ path }) => path === "module.json");
  const blob = file && (await storedBlob(deps.database.prisma, file.digest));
  if (blob === undefined) throw new Error(`Draft ${draft.id} has lost its module.json.`);
  const bytes = await readWhole(await deps.store.read(blob.storageKey, blob.size));
  if (digestOfHex(hash("sha256", bytes)) !== blob.digest)
    throw problem("store-unavailable", "The blob store returned other bytes than were stored.");
  return bytes;
}
