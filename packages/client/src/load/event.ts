/** What happens before a module can run. */
export type LoadEvent =
  /** How far the fetching of its files is. */
  | { kind: "receiving"; path: string; receivedBytes: number; totalBytes: number }
  /**
   * The hub says that the version was withdrawn, with its publisher's reason; it works all the same. A version that
   * comes from the cache without asking the hub is not told so.
   */
  | { kind: "yanked"; handle: string; reason: string; at: string };
