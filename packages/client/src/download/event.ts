import type { Digest } from "@modulehub/core";

/** How far a download is. The last event is `downloaded`. */
export type DownloadEvent =
  /** The exact version, and how much of it is not there yet. */
  | {
      kind: "resolved";
      handle: string;
      version: number;
      digest: Digest;
      files: number;
      totalBytes: number;
      missingBytes: number;
      /** Present where the version was withdrawn: worth a warning, with its publisher's reason. */
      yanked?: { reason: string; at: string };
    }
  /** `receivedBytes` of the version's `totalBytes` are there, what was found counted in. */
  | { kind: "receiving"; path: string; receivedBytes: number; totalBytes: number }
  /** Every file is in the folder, with the digest that was promised. */
  | { kind: "downloaded"; handle: string; version: number; digest: Digest; folder: string };
