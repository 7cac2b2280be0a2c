import { Command } from "commander";
import type { Context } from "../context.ts";
import { runOperatorCommand } from "../operator-command.ts";

interface FsckOptions {
  data?: string;
  deep?: boolean;
  repair?: boolean;
  json?: boolean;
}

export function fsckCommand(context: Context): Command {
  return new Command("fsck")
    .description("compare a hub's database with its store, and mend what is safe")
    .option("--data <folder>", "the hub's data folder (MODULEHUB_DATA; default .modulehub)")
    .option("--deep", "read every byte and compare its digest")
    .option("--repair", "mend what can be mended without loss")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Database and bucket are those of the hub's settings (MODULEHUB_DATABASE_URL, MODULEHUB_S3_…). An embedded hub must be
stopped; one on PostgreSQL may go on.

Exit codes: 0 consistent, 1 faults that --repair mends, 2 nothing could be compared, 4 damage that only a backup mends.`,
    )
    .action(({ data, deep, repair, json }: FsckOptions) =>
      runOperatorCommand(
        context,
        [
          "fsck",
          ...Object.entries({ deep, repair, json }).flatMap(([name, on]) => (on ? [`--${name}`] : [])),
        ],
        data === undefined ? {} : { MODULEHUB_DATA: data },
      ),
    );
}
