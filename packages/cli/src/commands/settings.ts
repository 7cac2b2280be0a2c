import { parseHandle, VISIBILITIES, type Visibility } from "@modulehub/core";
import { type Command, Option } from "commander";
import { type Context, print } from "../context.ts";
import { UsageError } from "../exit-code.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";

interface SettingsOptions extends HubOptions {
  visibility?: Visibility;
  rename?: string;
}

export function settingsCommand(context: Context): Command {
  return hubCommand("settings", "change who may see a module, or its name")
    .argument("<module>", "publisher/name")
    .addOption(new Option("--visibility <who>", "everybody, or its publisher only").choices(VISIBILITIES))
    .option(
      "--rename <name>",
      "publisher/name, also of another publisher that you own; the old name leads there",
    )
    .action(async (handle: string, { visibility, rename, ...options }: SettingsOptions) => {
      const { module, reference } = parseHandle(handle);
      if (reference.kind !== "latest")
        throw new UsageError(`settings takes a module, without a version: ${module}`);
      if (visibility === undefined && rename === undefined)
        throw new UsageError(
          "Say what is to be changed: --visibility public|private, --rename publisher/name.",
        );
      const hub = await connect(context, options);
      const changed = await hub.changeModule(module, { visibility, module: rename });
      if (options.json) return print(context, JSON.stringify(changed));
      if (rename !== undefined) print(context, `${module} is ${changed.module} now`);
      print(context, `${changed.module} is ${changed.visibility}`);
    });
}
