import { digestSchema } from "@modulehub/core";
import { z } from "zod";
import { type DraftState, draftState } from "../publish/draft.ts";
import type { Transport } from "../transport.ts";
import type { PageOptions } from "./list-modules.ts";

/** An answer of `GET /v1/drafts`. */
export const draftPage = z.looseObject({
  items: z.array(
    z.looseObject({
      id: z.string(),
      state: draftState,
      module: z.string(),
      requestedVersion: z.int().optional(),
      version: z.int().optional(),
      digest: digestSchema.optional(),
      files: z.int(),
      bytes: z.int(),
      /** Codes of the problems that it was rejected or failed with. */
      problems: z.array(z.string()),
      createdAt: z.string(),
      updatedAt: z.string(),
      expiresAt: z.string(),
    }),
  ),
  next: z.string().optional(),
});
export type DraftPage = z.infer<typeof draftPage>;

/** Which drafts are listed; nothing: all of modules that the token may write. */
export interface DraftFilter {
  module?: string;
  state?: DraftState;
}

/** A page of drafts, newest first. Throws as `Transport.call` does. */
export async function listDrafts(
  transport: Transport,
  options: PageOptions & DraftFilter = {},
): Promise<DraftPage> {
  return transport.call("GET", "v1/drafts", draftPage, { query: { ...options } });
}
