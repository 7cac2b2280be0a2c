import type { HubToken } from "@modulehub/client";
import { ROLES, type Role } from "@modulehub/core";
import { Command, Option } from "commander";
import { type Context, print, say } from "../context.ts";
import { UsageError } from "../exit-code.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { dateText } from "../listing/date-text.ts";
import { everyItem, type ListOptions, printList, withListOptions } from "../listing/pages.ts";

interface CreateOptions extends HubOptions {
  role?: Role;
  publisher?: string;
  days?: number;
  account?: string;
}

const DAY_MS = 86_400_000;

export function tokensCommand(context: Context): Command {
  return new Command("tokens")
    .description("list, create and revoke the tokens of your account")
    .addCommand(listTokens(context))
    .addCommand(createToken(context))
    .addCommand(revokeToken(context));
}

function listTokens(context: Context): Command {
  return withListOptions(hubCommand("list", "list them, newest first; the tokens themselves are not known"))
    .option("--account <id>", "those of another account; for the admin")
    .action(async ({ account, ...options }: ListOptions & { account?: string }) => {
      const hub = await connect(context, options);
      const columns = [
        { title: "ID", text: ({ id }: HubToken) => id },
        { title: "NAME", text: ({ name }: HubToken) => name, shrinks: true },
        { title: "ROLE", text: ({ role }: HubToken) => role },
        { title: "PUBLISHER", text: ({ publisher }: HubToken) => publisher ?? "" },
        { title: "CREATED", text: ({ createdAt }: HubToken) => dateText(createdAt) },
        { title: "EXPIRES", text: ({ expiresAt }: HubToken) => dateText(expiresAt) },
        { title: "LAST USED", text: ({ lastUsedAt }: HubToken) => dateText(lastUsedAt) },
      ];
      const items = everyItem((page) => hub.listTokens({ ...page, account }));
      await printList(context, options, items, columns, "There are no tokens.");
    });
}

function createToken(context: Context): Command {
  return hubCommand("create", "make a token, and print it: it is not shown again")
    .argument("<name>", "what it is for, such as the machine it goes to")
    .addOption(new Option("--role <role>", "the most that it may do").choices(ROLES))
    .option("--publisher <id>", "the only publisher that it is for")
    .option("--days <n>", "it ends after so many days", days)
    .option("--account <id>", "whose it is; for the admin")
    .action(async (name: string, { days, role, publisher, account, ...options }: CreateOptions) => {
      const hub = await connect(context, options);
      const expiresAt = days === undefined ? undefined : new Date(Date.now() + days * DAY_MS);
      const made = await hub.createToken(name, { role, publisher, account, expiresAt });
      if (options.json) return print(context, JSON.stringify(made));
      print(context, made.token);
      say(context, `This is token ${made.id}. Keep it: it is not shown again.`);
    });
}

function revokeToken(context: Context): Command {
  return hubCommand("revoke", "end a token at once")
    .argument("<id>", "as tokens list says it")
    .action(async (id: string, options: HubOptions) => {
      const hub = await connect(context, options);
      await hub.revokeToken(id);
      print(context, options.json ? JSON.stringify({ id, revoked: true }) : `Revoked ${id}`);
    });
}

function days(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text))
    throw new UsageError(`--days takes a number from 1 to 9999, not ${text}.`);
  return Number(text);
}
