import type { Command } from "commander";
import type { Context } from "../context.ts";
import { hubCommand } from "../hub-connection.ts";
import { type FindOptions, printModules, withFindOptions } from "../listing/module-list.ts";

export function searchCommand(context: Context): Command {
  return withFindOptions(hubCommand("search", "find modules by words of their names and pages, best first"))
    .argument("<words...>", "all must be found; the last may be cut short")
    .action((words: string[], options: FindOptions) => printModules(context, options, words.join(" ")));
}
