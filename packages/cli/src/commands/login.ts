import { Hub, type Me } from "@modulehub/client";
import type { Command } from "commander";
import { type Context, print, say } from "../context.ts";
import { hubKey, readCredentials, writeCredentials } from "../credentials.ts";
import { UsageError } from "../exit-code.ts";
import { checkedToken, connection, type HubOptions, hubCommand } from "../hub-connection.ts";
import { askHidden, readInput } from "../prompt.ts";

export function loginCommand(context: Context): Command {
  return hubCommand("login", "keep a token for a hub, and call that hub where none is named")
    .addHelpText(
      "after",
      "\nThe token is asked for on a terminal, and read from the input elsewhere: a command line can be seen by others.",
    )
    .action(async (options: HubOptions) => {
      const { url } = await connection(context, { url: options.url, token: "-" });
      const token = checkedToken(options.token ?? (await enteredToken(context, url)));
      const me = await new Hub({ url, token }).whoAmI();
      const { hubs } = await readCredentials(context.settings);
      await writeCredentials(context.settings, {
        defaultUrl: url,
        hubs: { ...hubs, [hubKey(url)]: { token } },
      });
      if (options.json) return print(context, JSON.stringify({ url, ...me }));
      print(context, `Logged in to ${url} as ${nameOf(me)}`);
      if (context.settings.MODULEHUB_TOKEN !== undefined)
        say(context, "MODULEHUB_TOKEN is set, and goes before the token that was just kept.");
    });
}

async function enteredToken(context: Context, url: string): Promise<string> {
  const token = context.input.isTTY
    ? await askHidden(context, `Token for ${url}: `)
    : await readInput(context);
  if (token === "") throw new UsageError("No token was given. Pipe it in: modulehub login < token-file");
  return token;
}

/** Who a token stands for, for people. */
export const nameOf = ({ account, admin }: Me): string => (admin ? `${account}, the admin` : account);
