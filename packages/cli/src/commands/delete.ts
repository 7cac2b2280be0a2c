import { parseHandle } from "@modulehub/core";
import type { Command } from "commander";
import { confirmDeletion } from "../confirm.ts";
import { type Context, print } from "../context.ts";
import { UsageError } from "../exit-code.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";

interface DeleteOptions extends HubOptions {
  yes?: boolean;
  reason?: string;
  force?: boolean;
}

export function deleteCommand(context: Context): Command {
  return hubCommand("delete", "delete a version or a whole module for good; yank only withdraws")
    .argument("<handle>", "publisher/name/3 for a version, publisher/name for the module with all of them")
    .option("--reason <text>", "why, for those who ask for it later")
    .option("--force", "also where aliases stand for the version; they go with it")
    .option("--yes", "don't ask; needed where there is no terminal")
    .addHelpText("after", "\nIts name and number are never used again.")
    .action(async (handle: string, { yes, reason, force, ...options }: DeleteOptions) => {
      const { module, reference } = parseHandle(handle);
      if (reference.kind !== "version" && reference.kind !== "latest")
        throw new UsageError(`Name a version by its number, ${module}/3, or the whole module, ${module}.`);
      const exact = reference.kind === "version" ? `${module}/${reference.version}` : module;
      if (force && reference.kind !== "version") throw new UsageError("--force is for a version.");
      const hub = await connect(context, options);
      if (!yes) await confirmDeletion(context, exact);
      if (reference.kind === "version") await hub.deleteVersion(exact, { reason, force });
      else await hub.deleteModule(exact, { reason });
      print(context, options.json ? JSON.stringify({ handle: exact, deleted: true }) : `Deleted ${exact}`);
    });
}
