import { Command } from "commander";
import { aliasCommand } from "./commands/alias.ts";
import { buildCommand } from "./commands/build.ts";
import { classifyCommand } from "./commands/classify.ts";
import { embedCommand } from "./commands/embed.ts";
import { inferCommand } from "./commands/infer.ts";
import { publishCommand } from "./commands/publish.ts";
import { resolveCommand } from "./commands/resolve.ts";
import { serveCommand } from "./commands/serve/serve.ts";
import { versionCommand } from "./commands/version.ts";
import { yankCommand } from "./commands/yank.ts";
import type { Context } from "./context.ts";
import { EXIT_HELP } from "./exit-code.ts";

/** The `modulehub` command with all that follows it. Usage errors are thrown, not exited with. */
export function program(context: Context, version: string): Command {
  const root = new Command("modulehub")
    .description("A self-hosted hub for ONNX modules that also runs what it hosts.")
    .version(version, "--version", "print the version")
    .addHelpText("after", EXIT_HELP);
  for (const command of [
    serveCommand(context),
    publishCommand(context),
    resolveCommand(context),
    aliasCommand(context),
    yankCommand(context),
    inferCommand(context),
    embedCommand(context),
    classifyCommand(context),
    buildCommand(context),
    versionCommand(context, version),
  ])
    root.addCommand(command);
  const output = {
    writeOut: (text: string) => void context.out.write(text),
    writeErr: (text: string) => void context.err.write(text),
  };
  for (const command of [root, ...root.commands, ...root.commands.flatMap(({ commands }) => commands)])
    command.exitOverride().configureOutput(output).showHelpAfterError("Add --help for how it is used.");
  return root;
}
