import { Command } from "commander";
import { type Context, print } from "../context.ts";

export function versionCommand(context: Context, version: string): Command {
  return new Command("version")
    .description("print the version of this command, and of the Node that runs it")
    .option("--json", "print JSON")
    .action((options: { json?: boolean }) => {
      const { node } = process.versions;
      print(
        context,
        options.json ? JSON.stringify({ version, node }) : `modulehub ${version} (Node ${node})`,
      );
    });
}
