import type { Job, JobPage } from "@modulehub/client";
import { hasEnded, JOB_KINDS, JOB_STATES, type JobKind, type JobState } from "@modulehub/core";
import { Command, Option } from "commander";
import { type Context, print } from "../context.ts";
import { problemText } from "../error-text.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { type FollowOptions, followJob } from "../jobs/follow-job.ts";
import { reportText } from "../jobs/report-text.ts";
import { printResult } from "../jobs/result-text.ts";
import { dateText } from "../listing/date-text.ts";
import { everyItem, type ListOptions, printList, withListOptions } from "../listing/pages.ts";
import { oneLine } from "../listing/table.ts";

type ListedJob = JobPage["items"][number];

export function jobsCommand(context: Context): Command {
  return new Command("jobs")
    .description("list jobs of training, evaluation and ranking, watch or cancel them")
    .addCommand(listJobs(context))
    .addCommand(showJob(context))
    .addCommand(watchJob(context))
    .addCommand(cancelJob(context))
    .addCommand(jobLogs(context));
}

interface JobListOptions extends ListOptions {
  publisher?: string;
  kind?: JobKind;
  state?: JobState;
}

function listJobs(context: Context): Command {
  return withListOptions(hubCommand("list", "list them, newest first"))
    .option("--publisher <id>", "of this publisher only")
    .addOption(new Option("--kind <kind>", "of this kind only").choices(JOB_KINDS))
    .addOption(new Option("--state <state>", "in this state only").choices(JOB_STATES))
    .action(async ({ publisher, kind, state, ...options }: JobListOptions) => {
      const hub = await connect(context, options);
      const columns = [
        { title: "ID", text: ({ id }: ListedJob) => id },
        { title: "KIND", text: (job: ListedJob) => job.kind },
        { title: "STATE", text: (job: ListedJob) => job.state },
        { title: "OF", text: ({ subject }: ListedJob) => subject, shrinks: true },
        {
          title: "TO",
          text: ({ published, publishes }: ListedJob) => published ?? publishes ?? "",
          shrinks: true,
        },
        { title: "CREATED", text: ({ createdAt }: ListedJob) => dateText(createdAt) },
        { title: "PROBLEM", text: ({ problem }: ListedJob) => problem ?? "", shrinks: true },
      ];
      const items = everyItem((page) => hub.listJobs({ ...page, publisher, kind, state }));
      await printList(context, options, items, columns, "There are no jobs.");
    });
}

function showJob(context: Context): Command {
  return hubCommand("show", "say how far a job is, and what it came to")
    .argument("<id>", "as jobs list says it")
    .action(async (id: string, options: HubOptions) => {
      const job = await (await connect(context, options)).readJob(id);
      if (options.json) return print(context, JSON.stringify(job));
      for (const line of jobText(job)) print(context, line);
      if (job.result) printResult(context, job.result);
      if (job.problem) print(context, problemText(job.problem));
    });
}

function* jobText(job: Job): Generator<string> {
  yield `${job.kind} ${job.subject}`;
  yield `  state      ${job.state}${job.progress ? `, ${job.progress.stage}` : ""}`;
  yield `  publisher  ${job.publisher}`;
  if (job.publishes !== undefined) yield `  publishes  ${job.publishes}`;
  yield `  created    ${dateText(job.createdAt)}${job.createdBy === undefined ? "" : ` by ${job.createdBy}`}`;
  if (job.startedAt !== undefined) yield `  started    ${dateText(job.startedAt)}`;
  if (job.endedAt !== undefined) yield `  ended      ${dateText(job.endedAt)}`;
  if (job.attempts > 1) yield `  begun      ${job.attempts} times`;
  if (job.report) yield* reportText(job.report, job.kind);
}

function watchJob(context: Context): Command {
  return hubCommand("watch", "show how far a job is until it has ended, and what it came to")
    .argument("<id>", "as jobs list says it")
    .option("--cancel-on-interrupt", "Ctrl-C cancels the job; else it goes on")
    .action(async (id: string, options: HubOptions & FollowOptions) => {
      const hub = await connect(context, options);
      await followJob(context, hub, options, (signal) => hub.watchJob(id, signal));
    });
}

function cancelJob(context: Context): Command {
  return hubCommand("cancel", "cancel a job; one that has ended stays as it is")
    .argument("<id>", "as jobs list says it")
    .action(async (id: string, options: HubOptions) => {
      const job = await (await connect(context, options)).cancelJob(id);
      print(context, options.json ? JSON.stringify(job) : `Job ${job.id} is ${job.state}`);
    });
}

/** Between two looks at a log that is followed, in milliseconds. */
const LOOK_AGAIN = 1_000;

function jobLogs(context: Context): Command {
  return hubCommand("logs", "print a job's log, oldest line first")
    .argument("<id>", "as jobs list says it")
    .option("--follow", "go on until the job has ended")
    .action(async (id: string, options: HubOptions & { follow?: boolean }) => {
      const hub = await connect(context, options);
      let printed = 0;
      const printNew = async () => {
        let at = 0;
        for await (const line of everyItem((page) => hub.jobLog(id, page)))
          if (at++ >= printed) {
            printed += 1;
            const { level, message } = line;
            print(
              context,
              options.json
                ? JSON.stringify(line)
                : `${dateText(line.at)}  ${level.padEnd(5)}  ${oneLine(message)}`,
            );
          }
      };
      for (let over = !options.follow; ; ) {
        await printNew();
        if (over) return;
        over = hasEnded((await hub.readJob(id)).state);
        if (!over) await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
      }
    });
}
