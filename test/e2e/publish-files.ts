import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type ProblemDocument, problem } from "@modulehub/core";
import { call, type RunningHub } from "./hub.ts";

/** How a publish over plain HTTP ended. */
export interface PublishResult {
  state: string;
  problems: ProblemDocument[];
  version?: number;
  digest?: string;
}

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** Publishes files step by step over HTTP, without the client library. The publisher is made if need be. */
export async function publishFiles(
  hub: Pick<RunningHub, "url" | "token">,
  module: string,
  files: Record<string, Uint8Array>,
): Promise<PublishResult> {
  const publisher = module.split("/")[0]!;
  await call(hub, "POST", "/v1/publishers", { id: publisher });
  const list = Object.entries(files).map(([path, bytes]) => ({
    path,
    size: bytes.length,
    digest: digestOf(bytes),
  }));
  const opened = await call(hub, "POST", `/v1/modules/${module}/drafts`, { files: list });
  if (!opened.ok) return { state: "refused", problems: [(await opened.json()) as ProblemDocument] };
  const draft = (await opened.json()) as { id: string; missing: string[] };
  for (const digest of draft.missing) {
    const bytes = Object.values(files).find((candidate) => digestOf(candidate) === digest)!;
    const refused = await upload(hub, publisher, bytes, digest);
    if (refused) return { state: "refused", problems: [refused] };
  }
  const started = await call(hub, "POST", `/v1/drafts/${draft.id}/publish`);
  if (started.status !== 202)
    return { state: "refused", problems: [(await started.json()) as ProblemDocument] };
  for (;;) {
    const answer = await call(hub, "GET", `/v1/drafts/${draft.id}`);
    const now = (await answer.json()) as PublishResult;
    if (!["uploading", "verifying"].includes(now.state)) return { ...now, problems: now.problems ?? [] };
    await sleep(100);
  }
}

/** A store that is sent parts directly says in XML why it takes none: by its clock the hub's signature is too old, say. */
const refusalByStore = (status: number, detail: string): ProblemDocument => ({
  ...problem("store-unavailable", detail).toDocument(),
  status,
});

/** Sends one blob; the problem where the hub, or its store, refuses it. */
export async function upload(
  hub: Pick<RunningHub, "url" | "token">,
  publisher: string,
  bytes: Uint8Array,
  digest = digestOf(bytes),
): Promise<ProblemDocument | undefined> {
  const created = await call(hub, "POST", "/v1/uploads", { publisher, size: bytes.length, digest });
  if (!created.ok) return (await created.json()) as ProblemDocument;
  const { id, partSize, parts } = (await created.json()) as {
    id: string;
    partSize: number;
    parts: { n: number; url: string }[];
  };
  for (const { n, url } of parts) {
    const body = bytes.subarray((n - 1) * partSize, n * partSize);
    const isOwn = new URL(url).origin === new URL(hub.url).origin;
    const sent = isOwn
      ? await call(hub, "PUT", new URL(url).pathname, body)
      : await fetch(url, { method: "PUT", body });
    if (!sent.ok)
      return isOwn
        ? ((await sent.json()) as ProblemDocument)
        : refusalByStore(sent.status, await sent.text());
  }
  let completed = await call(hub, "POST", `/v1/uploads/${id}/complete`, { digest });
  while (completed.status === 202 || completed.ok) {
    const { state, problem } = (await completed.json()) as { state: string; problem?: ProblemDocument };
    if (state !== "verifying") return state === "stored" ? undefined : problem;
    await sleep(50);
    completed = await call(hub, "GET", `/v1/uploads/${id}`);
  }
  return (await completed.json()) as ProblemDocument;
}
