import { Hub } from "@modulehub/client";
import type { Command } from "commander";
import { type Context, print } from "../context.ts";
import { connection, type HubOptions, hubCommand } from "../hub-connection.ts";
import { dateText } from "../listing/date-text.ts";
import { nameOf } from "./login.ts";

export function whoamiCommand(context: Context): Command {
  return hubCommand("whoami", "say whom the hub takes you for, and what you may").action(
    async (options: HubOptions) => {
      const { url, token } = await connection(context, options);
      const me = await new Hub({ url, token }).whoAmI();
      if (options.json) return print(context, JSON.stringify({ url, ...me }));
      print(context, `${nameOf(me)}, at ${url}`);
      const { name, role, publisher, expiresAt } = me.token;
      const limits = [
        `at most ${role}`,
        ...(publisher === undefined ? [] : [`in ${publisher} only`]),
        ...(expiresAt === undefined ? [] : [`until ${dateText(expiresAt)}`]),
      ];
      print(context, `  token ${name}: ${limits.join(", ")}`);
      for (const [publisher, role] of Object.entries(me.roles)) print(context, `  ${role} of ${publisher}`);
    },
  );
}
