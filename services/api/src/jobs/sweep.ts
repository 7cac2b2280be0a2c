import type { FastifyBaseLogger } from "fastify";
import { Counter, type Registry } from "prom-client";
import { type Collected, collectGarbage } from "../blobs/garbage-collection.ts";
import type { Database } from "../database/client.ts";
import { tidy } from "../database/tidy.ts";
import type { DraftEvents } from "../publish/draft-events.ts";
import { expireDrafts, expireUploads } from "../publish/expiry.ts";
import type { UploadDeps } from "../publish/uploads.ts";
import { forgetJobs } from "./retention.ts";

/** When what nobody wants any more is taken away, in seconds. */
export interface SweepTimes {
  /** How long bytes stay after the last reference was let go: see `collectGarbage`. */
  grace: number;
  /** Between two sweeps. */
  interval: number;
}

export const SWEEP_TIMES: SweepTimes = { grace: 24 * 3_600, interval: 3_600 };

export interface SweepDeps extends UploadDeps {
  events: DraftEvents;
  log: FastifyBaseLogger;
  /** How long jobs are remembered after their end, in seconds. */
  rememberedSeconds: number;
  registry: Registry;
}

/**
 * Sweeps at start and from time to time; among several replicas one does each round. Returns what ends it, also in the
 * middle of a round: all of it can be gone on with later.
 */
export function startSweeping(deps: SweepDeps, times: SweepTimes): () => Promise<void> {
  const count = countersIn(deps.registry);
  const stopping = new AbortController();
  const { signal } = stopping;
  let running: Promise<void> = Promise.resolve();
  /** Does a part of a round, unless that is to end. One that fails is told of, and keeps no other from being done. */
  const part = async <T>(name: string, without: T, work: () => Promise<T>): Promise<T> => {
    if (signal.aborted) return without;
    try {
      return await work();
    } catch (err) {
      if (err !== signal.reason)
        deps.log.error({ err, part: name }, "a part of a sweep broke off; the next sweep goes on with it");
      return without;
    }
  };
  const round = async () => {
    if (signal.aborted || !(await claimRound(deps.database, times.interval))) return;
    const { database, events, rememberedSeconds } = deps;
    const drafts = await part("drafts", 0, () => expireDrafts(database, events, new Date(), signal));
    const uploads = await part("uploads", 0, () => expireUploads({ ...deps, signal }));
    const jobs = await part("jobs", 0, () => forgetJobs(database, rememberedSeconds, signal));
    const nothing: Collected = { blobs: 0, bytes: 0n, strays: 0 };
    const collected = await part("bytes", nothing, () => collectGarbage({ ...deps, signal }, times.grace));
    count(drafts, uploads, collected);
    const tidied = await part("database", [], () => tidy(database));
    const { blobs, bytes, strays } = collected;
    if (drafts + uploads + jobs + blobs + strays + tidied.length > 0)
      deps.log.info({ drafts, uploads, jobs, blobs, bytes: Number(bytes), strays, tidied }, "swept");
  };
  const sweep = () => {
    running = running
      .then(round)
      .catch((err: unknown) => deps.log.error({ err }, "a sweep broke off; the next one goes on"));
  };
  const timer = setInterval(sweep, times.interval * 1_000);
  timer.unref();
  sweep();
  return () => {
    clearInterval(timer);
    stopping.abort();
    return running;
  };
}

/** Whether this process is to do the round that is due. With no other process it always is. */
async function claimRound(database: Database, interval: number): Promise<boolean> {
  if (database.exclusive) return true;
  // A little less than the interval: timers of the one that began the last round don't tick to the millisecond.
  const rows = await database.prisma.$executeRaw`
    INSERT INTO sweep (name, begun_at) VALUES ('garbage', now())
    ON CONFLICT (name) DO UPDATE SET begun_at = now()
      WHERE sweep.begun_at <= now() - make_interval(secs => ${interval * 0.9})
        -- The clock was ahead, and has been set back.
        OR sweep.begun_at > now()`;
  return rows === 1;
}

function countersIn(registry: Registry): (drafts: number, uploads: number, collected: Collected) => void {
  const counter = (name: string, help: string) => new Counter({ name, help, registers: [registry] });
  const drafts = counter("modulehub_expired_drafts_total", "Drafts whose time was up.");
  const uploads = counter(
    "modulehub_expired_uploads_total",
    "Uploads whose time was up before they were complete.",
  );
  const blobs = counter("modulehub_collected_blobs_total", "Blobs deleted because nothing referred to them.");
  const bytes = counter("modulehub_collected_bytes_total", "Bytes of those blobs.");
  const strays = counter(
    "modulehub_collected_strays_total",
    "Blobs and uploads in the store that no row knew.",
  );
  return (expiredDrafts, expiredUploads, collected) => {
    drafts.inc(expiredDrafts);
    uploads.inc(expiredUploads);
    blobs.inc(collected.blobs);
    bytes.inc(Number(collected.bytes));
    strays.inc(collected.strays);
  };
}
