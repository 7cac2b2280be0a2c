import {
  type Digest,
  digestSchema,
  type ModuleName,
  problemDocumentSchema,
  type Visibility,
} from "@modulehub/core";
import { z } from "zod";
import type { Transport } from "../transport.ts";

export const draftState = z.enum([
  "uploading",
  "verifying",
  "published",
  "rejected",
  "failed",
  "expired",
  "cancelled",
]);
export type DraftState = z.infer<typeof draftState>;

/** An answer about a draft. */
export const draftSchema = z.looseObject({
  id: z.string(),
  state: draftState,
  module: z.string().optional(),
  missing: z.array(digestSchema).optional(),
  version: z.int().nullish(),
  digest: digestSchema.nullish(),
  problems: z.array(problemDocumentSchema).optional(),
  updatedAt: z.string().optional(),
});

/** A version on its way, as the hub tells it. */
export type Draft = z.infer<typeof draftSchema>;

export interface DraftRequest {
  files: { path: string; size: number; digest: Digest }[];
  version: number | undefined;
  /** module.json was derived, and another client may derive it otherwise. */
  derived: true | undefined;
  visibility: Visibility | undefined;
  aliases: readonly string[] | undefined;
}

/** Whether the hub has decided about a draft, or it has ended otherwise. */
export const isDecided = ({ state }: Draft): boolean => state !== "uploading" && state !== "verifying";

/** Where a draft is, relative to the hub's address. */
export const draftPath = (id: string): string => `v1/drafts/${encodeURIComponent(id)}`;

/** Tells the hub which files the next version has; the answer says which bytes it lacks. */
export function openDraft(
  transport: Transport,
  module: ModuleName,
  body: DraftRequest,
  signal: AbortSignal,
): Promise<Draft> {
  return transport.call("POST", `v1/modules/${module}/drafts`, draftSchema, { body, signal });
}

/**
 * Asks for a draft whose bytes are there to be published; one that failed is opened again by that. Asking twice is
 * the same as once.
 */
export function publishDraft(transport: Transport, id: string, signal?: AbortSignal): Promise<Draft> {
  return transport.call("POST", `${draftPath(id)}/publish`, draftSchema, { retry: "safe", signal });
}

/** Cancels a draft, also one that is being verified. One that has ended stays as it is, and is answered. */
export function cancelDraft(transport: Transport, id: string): Promise<Draft> {
  return transport.call("DELETE", draftPath(id), draftSchema, { retry: "safe" });
}

/** A draft as it is now. */
export function readDraft(transport: Transport, id: string): Promise<Draft> {
  return transport.call("GET", draftPath(id), draftSchema);
}
