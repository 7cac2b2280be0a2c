import { distanceSchema } from "@modulehub/core";
import { type Command, Option } from "commander";
import type { Context } from "../context.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { type DataOptions, readingOptions, withDataOptions } from "../jobs/data-options.ts";
import { type FollowOptions, followJob } from "../jobs/follow-job.ts";
import { jobPublisher } from "../jobs/job-publisher.ts";
import { wholeNumber } from "../jobs/numbers.ts";
import { withRunOptions } from "../jobs/run-options.ts";

interface RankCommandOptions extends HubOptions, DataOptions, FollowOptions {
  data: string;
  publisher?: string;
  examples?: number;
  metric?: (typeof distanceSchema.options)[number];
}

export function rankCommand(context: Context): Command {
  const command = hubCommand(
    "rank",
    "say which of several modules suits data best, by each example's nearest other",
  )
    .argument("<module...>", "handles of modules that turn texts or images into vectors")
    .requiredOption("--data <path>", "as train takes it")
    .option(
      "--examples <n>",
      "examples at most that are compared; default 2000",
      wholeNumber("--examples", 2),
    )
    .addOption(
      new Option(
        "--metric <name>",
        "nearest by the angle between vectors, the default, or by their distance",
      ).choices(distanceSchema.options),
    );
  withDataOptions(command);
  return withRunOptions(command).action(async (handles: string[], options: RankCommandOptions) => {
    const hub = await connect(context, options);
    const publisher = await jobPublisher(hub, { ...options, about: handles[0] ?? "" });
    const reading = readingOptions(options);
    await followJob(
      context,
      hub,
      options,
      (signal) =>
        hub.rank(handles, options.data, {
          publisher,
          reading,
          examples: options.examples,
          metric: options.metric,
          signal,
        }),
      "rank",
    );
  });
}
