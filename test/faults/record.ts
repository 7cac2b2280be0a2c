import { createHash } from "node:crypto";

/**
 * What one client knows of one module: only what it was told, and what may be so where no answer came. It shares no
 * code with the hub, digests included.
 */
export interface Record {
  module: string;
  /** Content by its seed, in the order it was made. */
  contents: Map<string, Content>;
  /** Versions by number, as soon as they were seen once. */
  versions: Map<number, Known>;
  aliases: Map<string, Maybe<number | undefined>>;
  drafts: Map<string, PendingDraft>;
  uploads: Map<string, PendingUpload>;
  tokens: Map<string, { secret: string; revoked: Maybe<boolean> }>;
}

/** The values that something may have. One value: it was answered, or seen. */
export type Maybe<T> = Set<T>;

export interface Content {
  seed: string;
  files: Map<string, { bytes: Uint8Array; digest: string }>;
  requested?: number;
  /** Moved by the same publish. */
  alias: string;
}

export interface Known {
  seed: string;
  yanked: Maybe<boolean>;
  deleted: Maybe<boolean>;
  /** Its bytes were read back once since it was seen first. */
  read: boolean;
}

export interface PendingDraft {
  seed: string;
  cancelled: Maybe<boolean>;
  /** Its publishing was asked for; it may come at any time. */
  asked: boolean;
}

export interface PendingUpload {
  bytes: Uint8Array;
  digest: string;
  partSize: number;
  /** Where to send each part. */
  addresses: Map<number, string>;
  taken: Set<number>;
  completed: Maybe<boolean>;
}

export const newRecord = (module: string): Record => ({
  module,
  contents: new Map(),
  versions: new Map(),
  aliases: new Map(),
  drafts: new Map(),
  uploads: new Map(),
  tokens: new Map(),
});

export const sha256 = (bytes: Uint8Array): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

const MANIFEST = JSON.stringify({
  schemaVersion: 1,
  task: "text-embedding",
  signatures: {
    default: {
      inputs: { text: { dtype: "string", shape: ["batch"] } },
      outputs: { default: { dtype: "float32", shape: ["batch", 4] } },
    },
  },
});

/** Files of a version. The graph is its own; the weights are one of a few, which versions share; some are several parts. */
export function contentOf(seed: string, weights: number, alias: string, requested?: number): Content {
  const texts: [string, Uint8Array][] = [
    ["module.json", Buffer.from(MANIFEST)],
    ["model.onnx", Buffer.from(`graph ${seed}`)],
    ["weights/shared.bin", Buffer.from(`weights ${weights} `.repeat(weights * 4_000 + 1))],
    ["README.md", Buffer.from(`# ${seed}\n`)],
  ];
  const files = new Map(texts.map(([path, bytes]) => [path, { bytes, digest: sha256(bytes) }]));
  return { seed, files, alias, ...(requested !== undefined && { requested }) };
}
