import { EventEmitter } from "node:events";
import type { FastifyBaseLogger } from "fastify";
import type { Database } from "./client.ts";

/** Passes on what happens to rows, within this process; readers at other replicas see what was written down. */
export interface RowNews<Event> {
  tell(id: string, event: Event): void;
  /** Returns the function that ends the watch. */
  watch(id: string, listener: (event: Event) => void): () => void;
}

export function createRowNews<Event>(): RowNews<Event> {
  const emitter = new EventEmitter({ captureRejections: false });
  emitter.setMaxListeners(0);
  return {
    tell: (id, event) => {
      emitter.emit(id, event);
    },
    watch: (id, listener) => {
      emitter.on(id, listener);
      return () => emitter.off(id, listener);
    },
  };
}

/** What `signalWhen` watches a row by. */
export interface RowWatch<Event extends { kind: string }> {
  database: Database;
  log: Pick<FastifyBaseLogger, "warn">;
  news: RowNews<Event>;
  id: string;
  /** Looks at the row. */
  isSo(): Promise<boolean>;
  /** What the signal is aborted with. */
  reason?: () => unknown;
}

/** How often a row is looked at that other processes may change, in milliseconds. */
const LOOK_AGAIN = 1_000;

/**
 * A signal that is given once something is so of a row, whichever process made it so. A look that fails is logged, and
 * the next one may tell: not to know for a while costs work that nobody wants, no more.
 */
export function signalWhen<Event extends { kind: string }>(
  watch: RowWatch<Event>,
): { signal: AbortSignal; end: () => void } {
  const { database, log, news, id } = watch;
  const controller = new AbortController();
  const look = async () => {
    try {
      if (await watch.isSo()) controller.abort(watch.reason?.());
    } catch (err) {
      log.warn({ err, id }, "a row that is watched is not seen");
    }
  };
  const unwatch = news.watch(id, (event) => event.kind === "changed" && void look());
  const timer = database.exclusive ? undefined : setInterval(look, LOOK_AGAIN);
  const end = () => {
    unwatch();
    clearInterval(timer);
  };
  return { signal: controller.signal, end };
}
