import { ProblemError } from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { eventStreams, guardStream } from "../http/event-stream.ts";
import type { Principal } from "../identity/principal.ts";
import { type Draft, describeDraft, isEndState, readDraft } from "../publish/draft.ts";
import type { DraftEvents, VerifyStep } from "../publish/draft-events.ts";

/** How often a watched draft is looked at, in case another process changes it, in milliseconds. */
const LOOK_AGAIN = 1_000;

const draftParams = z.object({ id: z.string().max(64) });

/** Tells a state from the one before; two changes within a millisecond differ in the state's name. */
const eventId = ({ updatedAt, state }: Draft): string => `${updatedAt.getTime()}-${state}`;

/**
 * The way of a draft as server-sent events. A reader is told the state when it connects, so that one that lost its
 * connection misses nothing; one that connects again after the end gets 204, which stops browsers.
 */
export function draftEventRoutes(
  app: App,
  { database, identity }: AppDeps,
  events: DraftEvents,
  find: (principal: Principal, id: string) => Promise<Draft>,
): void {
  const openStream = eventStreams(app);
  app.get(
    "/v1/drafts/:id/events",
    {
      exposeHeadRoute: false,
      config: { action: "draft.read" },
      schema: {
        summary:
          "Server-sent events until the draft has ended: `state` with the draft, `progress` with a step",
        tags: ["drafts"],
        params: draftParams,
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const draft = await find(request.principal, id);
      if (isEndState(draft.state) && request.headers["last-event-id"] === eventId(draft))
        return reply.code(204).send();
      const stream = openStream(request, reply);
      let told: string | undefined;
      let toldStep: VerifyStep | null = null;
      const tellStep = (step: VerifyStep) => {
        if (stream.send({ name: "progress", data: { step } })) toldStep = step;
      };
      const look = async () => {
        const now = await readDraft(database.prisma, id);
        const next = eventId(now);
        if (next !== told) {
          const data = await describeDraft(database.prisma, now);
          if (stream.send({ name: "state", data, id: next })) told = next;
        }
        // What another replica does is known by the row only.
        if (now.step !== toldStep && now.step !== null) tellStep(now.step);
        if (isEndState(now.state) && told === next) stream.end();
      };
      let looking = Promise.resolve();
      const lookNext = () => {
        looking = looking.then(look).catch((err: unknown) => {
          // The reader connects again, and is then told why it can't be.
          const isGone = err instanceof ProblemError && err.code === "draft-not-found";
          if (!isGone) request.log.error({ err }, "a draft's events broke off");
          stream.end();
        });
      };
      const unwatch = events.watch(id, (event) => {
        if (event.kind === "changed") lookNext();
        else tellStep(event.step);
      });
      stream.onCaughtUp(lookNext);
      const timer = database.exclusive ? undefined : setInterval(lookNext, LOOK_AGAIN);
      guardStream(request, stream, async () =>
        find(await identity.authenticate(request.headers.authorization), id),
      );
      lookNext();
      await stream.closed;
      unwatch();
      clearInterval(timer);
    },
  );
}
