import type { Command } from "commander";
import type { Context } from "../context.ts";
import { hubCommand } from "../hub-connection.ts";
import { type FindOptions, printModules, withFindOptions } from "../listing/module-list.ts";

export function listCommand(context: Context): Command {
  return withFindOptions(hubCommand("list", "list the modules that can be seen")).action(
    (options: FindOptions) => printModules(context, options),
  );
}
