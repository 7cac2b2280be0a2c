import type { Digest, Manifest, ProblemDocument } from "@modulehub/core";

/** How far publishing is. The last event is `published`, `rejected` or `failed`. */
export type PublishEvent =
  /** The folder had no module.json; this one goes along. `notes` say what was assumed, a sentence each. */
  | { kind: "derived"; layout: string; manifest: Manifest; notes: string[] }
  | { kind: "hashing"; path: string; hashedBytes: number; totalBytes: number }
  /** The hub knows the files now, and lacks these. */
  | { kind: "draft"; id: string; files: number; missing: Digest[]; missingBytes: number }
  | { kind: "sending"; path: string; sentBytes: number; totalBytes: number }
  /** All bytes are there; the hub checks them and loads the module. */
  | { kind: "verifying" }
  /** `handle` names the exact version. */
  | { kind: "published"; handle: string; module: string; version: number; digest: Digest }
  /** The module's fault. */
  | { kind: "rejected"; problems: ProblemDocument[] }
  /** The hub's fault, or the draft was cancelled or expired: publishing again may succeed. */
  | { kind: "failed"; problems: ProblemDocument[] };
