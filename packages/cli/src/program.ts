import { Command } from "commander";
import { accountsCommand } from "./commands/accounts.ts";
import { aliasCommand } from "./commands/alias.ts";
import { auditCommand } from "./commands/audit.ts";
import { buildCommand } from "./commands/build.ts";
import { classifyCommand } from "./commands/classify.ts";
import { compareCommand } from "./commands/compare.ts";
import { completionCommand } from "./commands/completion.ts";
import { dataCommand } from "./commands/data.ts";
import { deleteCommand } from "./commands/delete.ts";
import { docsCommand } from "./commands/docs.ts";
import { downloadCommand } from "./commands/download.ts";
import { draftsCommand } from "./commands/drafts.ts";
import { embedCommand } from "./commands/embed.ts";
import { evaluateCommand } from "./commands/evaluate.ts";
import { fsckCommand } from "./commands/fsck.ts";
import { headCommand } from "./commands/head.ts";
import { inferCommand } from "./commands/infer.ts";
import { jobsCommand } from "./commands/jobs.ts";
import { lineageCommand } from "./commands/lineage.ts";
import { listCommand } from "./commands/list.ts";
import { loginCommand } from "./commands/login.ts";
import { logoutCommand } from "./commands/logout.ts";
import { membersCommand } from "./commands/members.ts";
import { migrateCommand } from "./commands/migrate.ts";
import { publishCommand } from "./commands/publish.ts";
import { publishersCommand } from "./commands/publishers.ts";
import { rankCommand } from "./commands/rank.ts";
import { resolveCommand } from "./commands/resolve.ts";
import { searchCommand } from "./commands/search.ts";
import { serveCommand } from "./commands/serve/serve.ts";
import { settingsCommand } from "./commands/settings.ts";
import { showCommand } from "./commands/show.ts";
import { tokensCommand } from "./commands/tokens.ts";
import { trainCommand } from "./commands/train.ts";
import { versionCommand } from "./commands/version.ts";
import { versionsCommand } from "./commands/versions.ts";
import { whoamiCommand } from "./commands/whoami.ts";
import { yankCommand } from "./commands/yank.ts";
import type { Context } from "./context.ts";
import { addHelp } from "./help.ts";

/** The `modulehub` command with all that follows it. Usage errors are thrown, not exited with. */
export function program(context: Context, version: string): Command {
  const root = new Command("modulehub")
    .description("A self-hosted hub for ONNX modules that also runs what it hosts.")
    .version(version, "--version", "print the version");
  const groups: Record<string, Command[]> = {
    "Find:": [
      listCommand(context),
      searchCommand(context),
      showCommand(context),
      versionsCommand(context),
      resolveCommand(context),
      downloadCommand(context),
    ],
    "Run on the hub:": [inferCommand(context), embedCommand(context), classifyCommand(context)],
    "Train:": [
      trainCommand(context),
      evaluateCommand(context),
      compareCommand(context),
      rankCommand(context),
      jobsCommand(context),
      lineageCommand(context),
      dataCommand(context),
    ],
    "Publish:": [
      publishCommand(context),
      buildCommand(context),
      aliasCommand(context),
      yankCommand(context),
      deleteCommand(context),
      docsCommand(context),
      settingsCommand(context),
      draftsCommand(context),
      headCommand(context),
    ],
    "Who may what:": [
      loginCommand(context),
      logoutCommand(context),
      whoamiCommand(context),
      tokensCommand(context),
      membersCommand(context),
      accountsCommand(context),
      publishersCommand(context),
      auditCommand(context),
    ],
    "This machine:": [
      serveCommand(context),
      fsckCommand(context),
      migrateCommand(context),
      completionCommand(context, () => root),
      versionCommand(context, version),
    ],
  };
  for (const [heading, commands] of Object.entries(groups)) {
    root.commandsGroup(heading);
    for (const command of commands) root.addCommand(command);
  }
  addHelp(root);
  const output = {
    writeOut: (text: string) => void context.out.write(text),
    writeErr: (text: string) => void context.err.write(text),
  };
  const walk = (command: Command): void => {
    command
      .configureHelp({ subcommandTerm: (each) => each.name() })
      .exitOverride()
      .configureOutput(output)
      .showHelpAfterError("Add --help for how it is used.");
    for (const each of command.commands) walk(each);
  };
  walk(root);
  return root;
}
