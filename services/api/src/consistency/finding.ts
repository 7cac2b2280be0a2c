/**
 * How bad a difference between database and store is. `damage`: bytes or rows that something relies on are gone, only a
 * backup has them. `fault`: wrong, and mended by --repair without loss. `garbage`: nothing relies on it; the hub takes
 * it away by itself once its grace is over, --repair does it now.
 */
export type Severity = "damage" | "fault" | "garbage";

/** What may differ: how bad it is, and a sentence that explains it. */
export const FINDINGS = {
  "bytes-lost": [
    "damage",
    "The database says that these bytes are stored, and the store does not have them.",
  ],
  "bytes-short": ["damage", "The store has these bytes in another length than they were stored with."],
  "bytes-wrong": ["damage", "The store has other bytes than those that were stored."],
  "version-lacks-bytes": ["damage", "No bytes are known for a file of this version."],
  "version-lacks-reference": ["fault", "Nothing keeps the bytes of a file of this version alive."],
  "bytes-being-deleted": ["fault", "Bytes that something relies on are marked for deletion."],
  "reference-to-nothing": ["fault", "A reference keeps bytes alive for something that is not there."],
  "number-would-be-reused": ["fault", "The next version would get a number that was given before."],
  "module-not-listed": ["fault", "Lists and search do not know this module."],
  "blob-unreferenced": ["garbage", "Nothing refers to these bytes any more, and their grace is over."],
  "blob-half-deleted": ["garbage", "A collection marked these bytes for deletion, and did not come to it."],
  "bytes-without-row": [
    "garbage",
    "The store has bytes that the database does not know: a completion broke off.",
  ],
  "parts-without-upload": ["garbage", "The store has parts of an upload that has ended."],
} as const satisfies Record<string, readonly [Severity, string]>;
export type FindingKind = keyof typeof FINDINGS;

/** One difference. */
export interface Finding {
  kind: FindingKind;
  /** What it is about: a storage key, a version, a module. */
  subject: string;
  /** What else is known: a digest, a path, what relies on it. */
  detail?: string;
}

export const severityOf = ({ kind }: Finding): Severity => FINDINGS[kind][0];
