import { Hub } from "@modulehub/client";
import type { Command } from "commander";
import { type Context, print } from "../context.ts";
import { hubKey, readCredentials, writeCredentials } from "../credentials.ts";
import { connection, type HubOptions, hubCommand } from "../hub-connection.ts";

interface LogoutOptions extends HubOptions {
  revoke?: boolean;
}

export function logoutCommand(context: Context): Command {
  return hubCommand("logout", "forget the token that login kept")
    .option("--revoke", "have the hub forget it too: nobody can use it any more")
    .action(async (options: LogoutOptions) => {
      const { url } = await connection(context, { url: options.url, token: "-" });
      const { defaultUrl, hubs } = await readCredentials(context.settings);
      const { [hubKey(url)]: kept, ...others } = hubs;
      const answer = (done: boolean, text: string) =>
        print(context, options.json ? JSON.stringify({ url, loggedOut: done }) : text);
      if (!kept) return answer(false, `There was no login to ${url}.`);
      if (options.revoke) {
        const hub = new Hub({ url, token: kept.token });
        const { token } = await hub.whoAmI();
        if (token.id !== undefined) await hub.revokeToken(token.id);
      }
      const isDefault = defaultUrl !== undefined && hubKey(defaultUrl) === hubKey(url);
      await writeCredentials(context.settings, { ...(!isDefault && { defaultUrl }), hubs: others });
      answer(true, `Logged out of ${url}${options.revoke ? "; its token is revoked" : ""}`);
    });
}
