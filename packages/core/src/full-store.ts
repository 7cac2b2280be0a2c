/** The names by which S3 servers say that they have no room: Versity's, and that of AWS's quotas. SeaweedFS has none. */
const FULL = /NoSpace|StorageFull|InsufficientStorage|QuotaExceeded|no space left/i;

/** Whether an S3 server says that it has no room, by its answer's status and words. */
export const saysStoreFull = (status: number | undefined, said: string): boolean =>
  status === 507 || FULL.test(said);
