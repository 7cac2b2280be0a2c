import type { Command } from "commander";
import { byteText } from "../byte-text.ts";
import { type Context, print, say } from "../context.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { yankWarning } from "../yank-warning.ts";

export function resolveCommand(context: Context): Command {
  return hubCommand("resolve", "say which exact version a handle stands for, and where its files are")
    .argument("<handle>", "publisher/name, then nothing, /3, @alias or @sha256:…")
    .action(async (handle: string, options: HubOptions) => {
      const hub = await connect(context, options);
      const resolved = await hub.resolve(handle);
      if (options.json) return print(context, JSON.stringify(resolved));
      print(context, `${resolved.module}/${resolved.version}`);
      print(context, `  ${resolved.digest}`);
      print(context, `  ${resolved.url}`);
      for (const { path, size, url } of resolved.files)
        print(context, `  ${path}  ${byteText(size)}  ${url}`);
      const { handle: exact, yanked } = resolved;
      if (yanked) say(context, yankWarning(exact, yanked));
    });
}
