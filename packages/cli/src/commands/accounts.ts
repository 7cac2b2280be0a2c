import type { HubAccount } from "@modulehub/client";
import { Command } from "commander";
import { type Context, print } from "../context.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { dateText } from "../listing/date-text.ts";
import { everyItem, type ListOptions, printList, withListOptions } from "../listing/pages.ts";

/** Accounts, which only the admin sees and makes. */
export function accountsCommand(context: Context): Command {
  return new Command("accounts")
    .description("list, create, disable and enable accounts; for the admin")
    .addCommand(listAccounts(context))
    .addCommand(createAccount(context))
    .addCommand(
      switchCommand(context, "disable", "refuse all tokens of an account until it is enabled again"),
    )
    .addCommand(switchCommand(context, "enable", "take a disabling back"));
}

function listAccounts(context: Context): Command {
  return withListOptions(hubCommand("list", "list them by name")).action(async (options: ListOptions) => {
    const hub = await connect(context, options);
    const columns = [
      { title: "ACCOUNT", text: ({ id }: HubAccount) => id },
      { title: "NAME", text: ({ displayName }: HubAccount) => displayName, shrinks: true },
      { title: "CREATED", text: ({ createdAt }: HubAccount) => dateText(createdAt) },
      { title: "DISABLED", text: ({ disabledAt }: HubAccount) => dateText(disabledAt) },
    ];
    const items = everyItem((page) => hub.listAccounts(page));
    await printList(context, options, items, columns, "There are no accounts.");
  });
}

function createAccount(context: Context): Command {
  return hubCommand("create", "make one, for a person or a program")
    .argument("<account>")
    .option("--name <text>", "how people are told of it")
    .action(async (id: string, options: HubOptions & { name?: string }) => {
      const hub = await connect(context, options);
      const account = await hub.createAccount(id, options.name);
      if (options.json) return print(context, JSON.stringify(account));
      print(context, `Created ${account.id}`);
      print(context, `Its first token: modulehub tokens create NAME --account ${account.id}`);
    });
}

function switchCommand(context: Context, name: "disable" | "enable", description: string): Command {
  return hubCommand(name, description)
    .argument("<account>")
    .action(async (id: string, options: HubOptions) => {
      const hub = await connect(context, options);
      const account = await hub.changeAccount(id, { disabled: name === "disable" });
      print(context, options.json ? JSON.stringify(account) : `${account.id} is ${name}d`);
    });
}
