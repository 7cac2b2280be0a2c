import { z } from "zod";
import type { ServerEvent } from "../events/event-source.ts";
import { watch } from "../events/watch.ts";
import type { Transport } from "../transport.ts";
import { type Draft, draftPath, draftSchema, isDecided } from "./draft.ts";

const progressSchema = z.looseObject({ step: z.enum(["reading", "inspecting", "waiting"]) });

/** What happens to a draft: it has another state, or its verification is at another step. */
export type DraftEvent =
  | { kind: "state"; draft: Draft }
  /** `waiting`: the hub could not verify it, and tries again. */
  | { kind: "progress"; step: z.infer<typeof progressSchema>["step"] };

/**
 * Tells what happens to a draft until the hub has decided about it, by the hub's events; where those can't be had, by
 * asking for it again and again. Throws as `Transport.call` does.
 */
export function watchDraft(
  transport: Transport,
  id: string,
  signal?: AbortSignal,
): AsyncGenerator<DraftEvent, void> {
  let told = "";
  return watch<DraftEvent>(
    transport,
    {
      events: `${draftPath(id)}/events`,
      parse: parsed,
      ask: async () => ({
        kind: "state",
        draft: await transport.call("GET", draftPath(id), draftSchema, { signal }),
      }),
      isNews: (event) => {
        if (event.kind === "progress") return true;
        const before = told;
        told = `${event.draft.state} ${event.draft.updatedAt}`;
        return told !== before;
      },
      isLast: (event) => event.kind === "state" && isDecided(event.draft),
    },
    signal,
  );
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
