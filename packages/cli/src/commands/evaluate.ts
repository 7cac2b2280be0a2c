import type { Command } from "commander";
import type { Context } from "../context.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { type DataOptions, readingOptions, withDataOptions } from "../jobs/data-options.ts";
import { type FollowOptions, followJob } from "../jobs/follow-job.ts";
import { jobPublisher } from "../jobs/job-publisher.ts";
import { share } from "../jobs/numbers.ts";
import { withRunOptions } from "../jobs/run-options.ts";

interface EvaluateCommandOptions extends HubOptions, DataOptions, FollowOptions {
  data: string;
  publisher?: string;
  requireAccuracy?: number;
}

export function evaluateCommand(context: Context): Command {
  const command = hubCommand(
    "evaluate",
    "say how good a classifier is on data, and keep that with its version",
  )
    .argument("<handle>", "a module that labels texts or images")
    .requiredOption(
      "--data <path>",
      "as train takes it; its test split counts, or all of it where it has none",
    )
    .option("--require-accuracy <share>", "fail where the accuracy is lower", share("--require-accuracy", 1));
  withDataOptions(command);
  return withRunOptions(command).action(async (handle: string, options: EvaluateCommandOptions) => {
    const hub = await connect(context, options);
    const publisher = await jobPublisher(hub, { ...options, about: handle });
    const reading = readingOptions({ ...options, test: options.test ?? 0 });
    await followJob(
      context,
      hub,
      options,
      (signal) =>
        hub.evaluate(handle, options.data, {
          publisher,
          reading,
          requireAccuracy: options.requireAccuracy,
          signal,
        }),
      "evaluate",
    );
  });
}
