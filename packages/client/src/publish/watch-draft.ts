import { z } from "zod";
import { pause as sleep } from "../retry.ts";
import type { Transport } from "../transport.ts";
import { type Draft, draftPath, draftSchema, isDecided } from "./draft.ts";
import { readEvents, type ServerEvent } from "./event-source.ts";

const progressSchema = z.looseObject({ step: z.enum(["reading", "inspecting", "waiting"]) });

/** What happens to a draft: it has another state, or its verification is at another step. */
export type DraftEvent =
  | { kind: "state"; draft: Draft }
  /** `waiting`: the hub could not verify it, and tries again. */
  | { kind: "progress"; step: z.infer<typeof progressSchema>["step"] };

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
/** The hub tells the state at once; a proxy that collects answers lets nothing through. */
const FIRST_EVENT_MS = 5_000;
/** The hub is heard every 15 s. */
const SILENCE_MS = 40_000;

/**
 * Tells what happens to a draft until the hub has decided about it, by the hub's events. Where those can't be had,
 * through a proxy that keeps them back for example, the draft is asked for again and again instead. Throws as
 * `Transport.call` does.
 */
export async function* watchDraft(
  transport: Transport,
  id: string,
  signal?: AbortSignal,
): AsyncGenerator<DraftEvent, void> {
  let told = "";
  /** Whether a state is news: it is told again on each connection. */
  const isNews = (draft: Draft): boolean => {
    const before = told;
    told = `${draft.state} ${draft.updatedAt}`;
    return told !== before;
  };
  let streams = true;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(LONGEST_PAUSE_MS, pause * 1.5)) {
    if (streams) {
      let heard = false;
      for await (const event of eventsOf(transport, id, signal)) {
        heard = true;
        if (event.kind === "progress" || isNews(event.draft)) yield event;
        if (event.kind === "state" && isDecided(event.draft)) return;
      }
      streams = heard;
      if (heard) pause = FIRST_PAUSE_MS;
    }
    const draft = await transport.call("GET", draftPath(id), draftSchema, { signal });
    if (isNews(draft)) yield { kind: "state", draft };
    if (isDecided(draft)) return;
    await sleep(pause, signal);
  }
}

/** The events of one connection. It ends early where there is none to be had, or it breaks. */
async function* eventsOf(
  transport: Transport,
  id: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<DraftEvent, void> {
  const silent = new AbortController();
  let timer = setTimeout(() => silent.abort(), FIRST_EVENT_MS);
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silent.abort(), SILENCE_MS);
  };
  try {
    const response = await transport.fetch(new URL(`${draftPath(id)}/events`, transport.url), {
      headers: { accept: "text/event-stream" },
      signal: signal ? AbortSignal.any([signal, silent.signal]) : silent.signal,
    });
    if (!response.headers.get("content-type")?.startsWith("text/event-stream") || !response.body) {
      await response.body?.cancel();
      return;
    }
    for await (const event of readEvents(response.body, alive)) {
      const known = parsed(event);
      if (known) yield known;
    }
  } catch (error) {
    // What is wrong is said by the question for the draft that follows: in a problem's words, after some tries.
    if (signal?.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Undefined for events of a newer hub. */
function parsed({ name, data }: ServerEvent): DraftEvent | undefined {
  if (name === "state") return { kind: "state", draft: draftSchema.parse(JSON.parse(data)) };
  const progress = name === "progress" ? progressSchema.safeParse(JSON.parse(data)) : undefined;
  return progress?.success ? { kind: "progress", step: progress.data.step } : undefined;
}

/** Waits until the hub has decided about a draft. */
export async function decidedDraft(transport: Transport, id: string, signal: AbortSignal): Promise<Draft> {
  let last: Draft | undefined;
  for await (const event of watchDraft(transport, id, signal)) if (event.kind === "state") last = event.draft;
  if (last === undefined) throw new Error("a draft was watched to its end without a state");
  return last;
}
