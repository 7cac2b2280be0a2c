import { hasEnded } from "@modulehub/core";
import type { ServerEvent } from "../events/event-source.ts";
import { watch } from "../events/watch.ts";
import type { Transport } from "../transport.ts";
import {
  type Job,
  type JobLogLine,
  type JobProgress,
  jobAnswer,
  jobPath,
  logLine,
  progressAnswer,
} from "./job.ts";

/** What happens to a job. The last is a state in which it has ended. */
export type JobEvent =
  | { kind: "state"; job: Job }
  | { kind: "progress"; progress: JobProgress }
  /** A new line of its log; those before are at `jobLog`. Told by events only. */
  | { kind: "log"; line: JobLogLine };

/**
 * Tells what happens to a job, beginning with its state now, until it has ended: by the hub's events, or where those
 * can't be had by asking for it again and again. Throws as `Transport.call` does.
 */
export function watchJob(
  transport: Transport,
  id: string,
  signal?: AbortSignal,
): AsyncGenerator<JobEvent, void> {
  let [told, toldProgress] = ["", ""];
  return watch<JobEvent>(
    transport,
    {
      events: `${jobPath(id)}/events`,
      parse: parsed,
      ask: async () => ({
        kind: "state",
        job: await transport.call("GET", jobPath(id), jobAnswer, { signal }),
      }),
      isNews: (event) => {
        if (event.kind === "log") return true;
        const before = `${told} ${toldProgress}`;
        if (event.kind === "state") told = `${event.job.state} ${event.job.attempts}`;
        toldProgress = JSON.stringify(event.kind === "progress" ? event.progress : event.job.progress);
        return `${told} ${toldProgress}` !== before;
      },
      isLast: (event) => event.kind === "state" && hasEnded(event.job.state),
    },
    signal,
  );
}

/** Undefined for events of a newer hub. */
function parsed({ name, data }: ServerEvent): JobEvent | undefined {
  switch (name) {
    case "state":
      return { kind: "state", job: jobAnswer.parse(JSON.parse(data)) };
    case "progress":
      return { kind: "progress", progress: progressAnswer.parse(JSON.parse(data)) };
    case "log":
      return { kind: "log", line: logLine.parse(JSON.parse(data)) };
    default:
      return undefined;
  }
}
