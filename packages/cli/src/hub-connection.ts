import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import { Hub } from "@modulehub/client";
import { Command } from "commander";
import type { Context } from "./context.ts";
import { UsageError } from "./exit-code.ts";

/** The options of every command that talks to a hub. */
export interface HubOptions {
  url?: string;
  token?: string;
  json?: boolean;
}

/** A command with those options. */
export function hubCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option("--url <url>", "address of the hub (MODULEHUB_URL; default http://127.0.0.1:8080)")
    .option("--token <token>", "token to call it with (MODULEHUB_TOKEN)")
    .option("--json", "print JSON, as the hub answers it");
}

/** The hub that a command is meant for. A hub on this machine is called with its admin token, if that can be read. */
export async function connect(context: Context, options: HubOptions): Promise<Hub> {
  const { settings } = context;
  const url = options.url ?? settings.MODULEHUB_URL;
  const parsed = URL.parse(url);
  if (!parsed || !/^https?:$/.test(parsed.protocol))
    throw new UsageError(`${url} is not the address of a hub; it looks like http://127.0.0.1:8080.`);
  const token = options.token ?? settings.MODULEHUB_TOKEN;
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
    throw new UsageError("The token holds characters that no token has; was it copied whole?");
  if (token !== undefined || !isLoopback(parsed.hostname)) return new Hub({ url, token });
  return new Hub({ url, token: await localToken(settings.MODULEHUB_DATA) });
}

/** Undefined where there is none, or where it belongs to someone else: then the hub is asked without. */
async function localToken(data: string): Promise<string | undefined> {
  try {
    return (await readFile(join(data, "admin-token"), "utf8")).trim();
  } catch (error) {
    if (
      error instanceof Error &&
      "code" in error &&
      ["ENOENT", "EACCES", "ENOTDIR"].includes(String(error.code))
    )
      return undefined;
    throw error;
  }
}

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "[::1]" || (isIP(host) === 4 && host.startsWith("127."));
