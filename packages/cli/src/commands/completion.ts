import { Argument, Command } from "commander";
import { bashScript } from "../completion/bash.ts";
import { type CommandWords, commandWords } from "../completion/command-words.ts";
import { fishScript } from "../completion/fish.ts";
import { zshScript } from "../completion/zsh.ts";
import { type Context, print } from "../context.ts";
import { connect } from "../hub-connection.ts";

const SCRIPTS: Record<string, (root: CommandWords) => string> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** Who waits for a completion does not wait long. */
const PATIENCE_MS = 1_500;
const MOST_HANDLES = 200;

/** `root` is asked for late: this command is itself one of its commands. */
export function completionCommand(context: Context, root: () => Command): Command {
  const completion = new Command("completion").description(
    "print a script that completes commands in your shell",
  );
  for (const [shell, script] of Object.entries(SCRIPTS))
    completion
      .command(shell)
      .description(`the script for ${shell}`)
      .action(() => void context.out.write(script(commandWords(root()))));
  completion
    .command("handles", { hidden: true })
    .description("print the modules whose names begin so")
    .addArgument(new Argument("[beginning]").default(""))
    .action((beginning: string) => printHandles(context, beginning));
  return completion;
}

/** The scripts call it: whatever goes wrong, nothing is offered. */
async function printHandles(context: Context, beginning: string): Promise<void> {
  const slash = beginning.indexOf("/");
  const publisher = slash > 0 ? beginning.slice(0, slash) : undefined;
  const timer = setTimeout(() => process.exit(0), PATIENCE_MS);
  try {
    const hub = await connect(context, {});
    let offered = 0;
    for await (const { module } of hub.search({ publisher })) {
      if (!module.startsWith(beginning)) continue;
      print(context, module);
      if (++offered === MOST_HANDLES) return;
    }
  } finally {
    clearTimeout(timer);
  }
}
