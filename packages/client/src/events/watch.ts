import { pause as sleep } from "../retry.ts";
import type { Transport } from "../transport.ts";
import { readEvents, type ServerEvent } from "./event-source.ts";

/** Something at a hub that changes until it ends, and tells of it. */
export interface Watched<E> {
  /** Where its events are, relative to the hub's address. */
  events: string;
  /** What an event means; undefined for one of a newer hub. */
  parse(event: ServerEvent): E | undefined;
  /** Asks how it is now. Throws as `Transport.call` does. */
  ask(): Promise<E>;
  /** Whether an event was not told before: the state is told again on each connection. Asked once for each event. */
  isNews(event: E): boolean;
  isLast(event: E): boolean;
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
/** The hub tells the state at once; a proxy that collects answers lets nothing through. */
const FIRST_EVENT_MS = 5_000;
/** The hub is heard every 15 s. */
const SILENCE_MS = 40_000;

/**
 * Tells what happens to something until it ends, by the hub's events. Where those can't be had, through a proxy that
 * keeps them back for example, it is asked for again and again instead. Throws what asking throws, and what aborted the
 * signal.
 */
export async function* watch<E>(
  transport: Transport,
  watched: Watched<E>,
  signal?: AbortSignal,
): AsyncGenerator<E, void> {
  let streams = true;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(LONGEST_PAUSE_MS, pause * 1.5)) {
    if (streams) {
      let heard = false;
      for await (const event of connectionEvents(transport, watched, signal)) {
        heard = true;
        if (watched.isNews(event)) yield event;
        if (watched.isLast(event)) return;
      }
      streams = heard;
      if (heard) pause = FIRST_PAUSE_MS;
    }
    const event = await watched.ask();
    if (watched.isNews(event)) yield event;
    if (watched.isLast(event)) return;
    await sleep(pause, signal);
  }
}

/** The events of one connection. It ends early where there is none to be had, or it breaks. */
async function* connectionEvents<E>(
  transport: Transport,
  { events, parse }: Watched<E>,
  signal: AbortSignal | undefined,
): AsyncGenerator<E, void> {
  const silent = new AbortController();
  let timer = setTimeout(() => silent.abort(), FIRST_EVENT_MS);
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silent.abort(), SILENCE_MS);
  };
  try {
    const response = await transport.fetch(new URL(events, transport.url), {
      headers: { accept: "text/event-stream" },
      signal: signal ? AbortSignal.any([signal, silent.signal]) : silent.signal,
    });
    if (!response.headers.get("content-type")?.startsWith("text/event-stream") || !response.body) {
      await response.body?.cancel();
      return;
    }
    for await (const event of readEvents(response.body, alive)) {
      const known = parse(event);
      if (known) yield known;
    }
  } catch (error) {
    // What is wrong is said by the question that follows: in a problem's words, after some tries.
    if (signal?.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
}
