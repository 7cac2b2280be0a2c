import {
  type Digest,
  formatHandle,
  parseHandle,
  parseModuleName,
  problem,
  publisherOf,
  type Visibility,
} from "@modulehub/core";
import { UnexpectedAnswerError } from "../connection-error.ts";
import { collectModule, type ModuleContent } from "../publish/collect-module.ts";
import { type Draft, type DraftRequest, openDraft, publishDraft } from "../publish/draft.ts";
import type { PublishEvent } from "../publish/event.ts";
import { hashFile } from "../publish/source-file.ts";
import { upload } from "../publish/upload.ts";
import { decidedDraft } from "../publish/watch-draft.ts";
import type { HashedFile } from "../publish/with-bytes.ts";
import { eventsOf } from "../tasks/event-channel.ts";
import { paced } from "../tasks/paced.ts";
import { runAll } from "../tasks/run-all.ts";
import { Slots } from "../tasks/slots.ts";
import type { Transport } from "../transport.ts";
import { withPublisher } from "./with-publisher.ts";

export interface PublishOptions {
  /** Of a module that this draft creates; `private` unless said. */
  visibility?: Visibility;
  /** Names that stand for the version, and no other, from the moment that it exists. */
  aliases?: readonly string[];
  /** Makes the publisher where there is none and the token may. */
  createPublisher?: boolean;
  signal?: AbortSignal;
}

/** Parts on their way at once. */
const PARTS_AT_ONCE = 4;
/** Files whose uploads are open at once; small ones are mostly waiting for answers. */
const FILES_AT_ONCE = 4;

/**
 * Publishes a folder or a bare `.onnx` file as the next version of a module, or as the one that the handle
 * names. Ends with `published`, `rejected` or `failed`; throws as Hub says, and LocalFileError. Stopping to read
 * the events stops publishing; what has arrived at the hub is not sent again next time.
 */
export async function* publish(
  transport: Transport,
  path: string,
  handle: string,
  options: PublishOptions = {},
): AsyncGenerator<PublishEvent, void> {
  const { module, reference } = parseHandle(handle);
  if (reference.kind === "alias" || reference.kind === "digest")
    throw problem(
      "invalid-handle",
      "Publish under publisher/name, or publisher/name/3 to choose the number.",
    );
  const version = reference.kind === "version" ? reference.version : undefined;
  yield* eventsOf<PublishEvent>(options.signal, async (push, signal) => {
    const content = await collectModule(path);
    if (content.derived) push({ kind: "derived", manifest: content.manifest, ...content.derived });
    const files = await hashAll(content, push, signal);
    const request: DraftRequest = {
      files: files.map(({ source, digest }) => ({ path: source.path, size: source.size, digest })),
      version,
      derived: content.derived !== undefined || undefined,
      visibility: options.visibility,
      aliases: options.aliases,
    };
    const open = () => openDraft(transport, module, request, signal);
    const draft = options.createPublisher
      ? await withPublisher(transport, publisherOf(module), open)
      : await open();
    // A module that was transferred takes uploads of its present publisher.
    const publisher = publisherOf(draft.module === undefined ? module : parseModuleName(draft.module));
    await sendMissing({ transport, publisher, draft, files, push, signal });
    if (draft.state === "uploading") {
      push({ kind: "verifying" });
      await publishDraft(transport, draft.id, signal);
    }
    const decided = await decidedDraft(transport, draft.id, signal);
    push(outcome(transport, module, decided));
  });
}

async function hashAll(
  content: ModuleContent,
  push: (event: PublishEvent) => void,
  signal: AbortSignal,
): Promise<HashedFile[]> {
  const totalBytes = content.files.reduce((sum, file) => sum + file.size, 0);
  const files: HashedFile[] = [];
  const report = paced(push);
  let hashedBytes = 0;
  for (const source of content.files) {
    const add = (bytes: number) => {
      hashedBytes += bytes;
      report({ kind: "hashing", path: source.path, hashedBytes, totalBytes }, hashedBytes === totalBytes);
    };
    files.push({ source, digest: await hashFile(source, add, signal) });
  }
  return files;
}

/** Sends what the hub lacks, equal files once. */
async function sendMissing(job: {
  transport: Transport;
  publisher: string;
  draft: Draft;
  files: HashedFile[];
  push: (event: PublishEvent) => void;
  signal: AbortSignal;
}): Promise<void> {
  const { draft, push } = job;
  const wanted = new Set(draft.missing ?? []);
  const byDigest = new Map(job.files.map((file) => [file.digest, file]));
  const missing = [...byDigest.values()].filter(({ digest }) => wanted.has(digest));
  const totalBytes = missing.reduce((sum, { source }) => sum + source.size, 0);
  const { id } = draft;
  push({ kind: "draft", id, files: job.files.length, missing: [...wanted], missingBytes: totalBytes });

  const partSlots = new Slots(PARTS_AT_ONCE);
  const sent = new Map<Digest, number>();
  const report = paced(push);
  await runAll(missing, FILES_AT_ONCE, job.signal, async ({ source, digest }, signal) => {
    const onSent = (bytes: number) => {
      sent.set(digest, bytes);
      let sentBytes = 0;
      for (const part of sent.values()) sentBytes += part;
      report({ kind: "sending", path: source.path, sentBytes, totalBytes }, sentBytes === totalBytes);
    };
    const { transport, publisher } = job;
    await upload({ transport, publisher, source, digest, slots: partSlots, onSent, signal });
  });
}

function outcome(transport: Transport, module: string, draft: Draft): PublishEvent {
  if (draft.state === "rejected") return { kind: "rejected", problems: draft.problems ?? [] };
  if (draft.state !== "published") return { kind: "failed", problems: draft.problems ?? [] };
  const { version, digest } = draft;
  if (typeof version !== "number" || !digest)
    throw new UnexpectedAnswerError(transport.url, 200, "a published draft without its version");
  const handle = formatHandle({ ...parseHandle(module), reference: { kind: "version", version } });
  return { kind: "published", handle, module, version, digest };
}
