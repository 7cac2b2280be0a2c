import { digestSchema } from "@modulehub/core";
import { z } from "zod";
import type { Transport } from "../transport.ts";
import { exactVersion } from "./exact-version.ts";

/** An answer of `POST …/versions/{version}/yank`. */
export const yankAnswer = z.looseObject({
  version: z.int(),
  digest: digestSchema,
  yanked: z.looseObject({ reason: z.string(), at: z.string() }),
});

/** A version that was withdrawn: why, and when. */
export type YankedVersion = z.infer<typeof yankAnswer>;

/**
 * Withdraws the version that a handle names by its number: `latest` and lists pass over it, its number, digest and
 * aliases still lead to it. Throws `invalid-handle`, `version-not-found`, and as `Transport.call` does.
 */
export async function yank(transport: Transport, handle: string, reason: string): Promise<YankedVersion> {
  const { module, version } = exactVersion(handle);
  const path = `v1/modules/${module}/versions/${version}/yank`;
  return transport.call("POST", path, yankAnswer, { body: { reason }, retry: "safe" });
}
