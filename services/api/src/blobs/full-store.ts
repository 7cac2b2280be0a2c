/** Seconds after which it is worth to ask a store again that could not do something. */
export const AGAIN = 5;

/** What a hub says of a store that has no room. */
export const STORE_FULL = "The blob store is full; make room, then try again.";

/** The names by which servers say that they have no room: Versity's, and that of AWS's quotas. SeaweedFS has none. */
const FULL = /NoSpace|StorageFull|InsufficientStorage|QuotaExceeded|no space left/i;

/** Whether a server of S3 says that it has no room, by its status and the words of its answer. */
export const isFull = (status: number | undefined, said: string): boolean =>
  status === 507 || FULL.test(said);
