import type { Command } from "commander";
import { type Context, print } from "../context.ts";
import { UsageError } from "../exit-code.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";

interface YankOptions extends HubOptions {
  reason?: string;
  undo?: boolean;
}

export function yankCommand(context: Context): Command {
  return hubCommand("yank", "withdraw a version: latest and lists pass over it, exact handles still find it")
    .argument("<handle>", "publisher/name/3")
    .option("--reason <text>", "why, for those who use it")
    .option("--undo", "take a withdrawal back")
    .action(async (handle: string, options: YankOptions) => {
      const { reason, undo, json } = options;
      if (undo ? reason !== undefined : !reason?.trim())
        throw new UsageError(undo ? "--undo takes no --reason." : 'Say why: --reason "Wrong labels."');
      const hub = await connect(context, options);
      if (undo) {
        await hub.unyank(handle);
        return print(context, json ? JSON.stringify({ handle, yanked: false }) : `${handle} is back`);
      }
      const answer = await hub.yank(handle, reason ?? "");
      print(context, json ? JSON.stringify(answer) : `Yanked ${handle}: ${answer.yanked.reason}`);
    });
}
