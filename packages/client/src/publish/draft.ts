import {
  type Digest,
  digestSchema,
  type ModuleName,
  problemDocumentSchema,
  type Visibility,
} from "@modulehub/core";
import { z } from "zod";
import { pause as sleep } from "../retry.ts";
import type { Transport } from "../transport.ts";

/** An answer about a draft. */
export const draftSchema = z.looseObject({
  id: z.string(),
  state: z.enum(["uploading", "verifying", "published", "rejected", "failed", "expired", "cancelled"]),
  missing: z.array(digestSchema).optional(),
  version: z.int().nullish(),
  digest: digestSchema.nullish(),
  problems: z.array(problemDocumentSchema).optional(),
});

/** A version on its way, as the hub tells it. */
export type Draft = z.infer<typeof draftSchema>;

export interface DraftRequest {
  files: { path: string; size: number; digest: Digest }[];
  version: number | undefined;
  visibility: Visibility | undefined;
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

/** Tells the hub which files the next version has; the answer says which bytes it lacks. */
export function openDraft(
  transport: Transport,
  module: ModuleName,
  body: DraftRequest,
  signal: AbortSignal,
): Promise<Draft> {
  return transport.call("POST", `v1/modules/${module}/drafts`, draftSchema, { body, signal });
}

/** Asks for a draft whose bytes are there to be published. Asking twice is the same as once. */
export async function publishDraft(transport: Transport, id: string, signal: AbortSignal): Promise<void> {
  await transport.call("POST", `v1/drafts/${id}/publish`, z.unknown(), { retry: "safe", signal });
}

/** Waits until the hub has decided about a draft. */
export async function decidedDraft(transport: Transport, id: string, signal: AbortSignal): Promise<Draft> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(LONGEST_PAUSE_MS, pause * 1.5)) {
    const draft = await transport.call("GET", `v1/drafts/${id}`, draftSchema, { signal });
    if (draft.state !== "verifying" && draft.state !== "uploading") return draft;
    await sleep(pause, signal);
  }
}
