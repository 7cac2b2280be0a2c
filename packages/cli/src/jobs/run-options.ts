import type { Command } from "commander";

/** Adds the options of every command that has a job made and waits for it. */
export const withRunOptions = (command: Command): Command =>
  command
    .option(
      "--publisher <id>",
      "whose job it is; default: of what is published, or the only one you may write in",
    )
    .option("--detach", "print the job's id once it is there, and don't wait for its end")
    .option("--cancel-on-interrupt", "Ctrl-C cancels the job; else it goes on");
