import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import { Hub } from "@modulehub/client";
import { Command } from "commander";
import type { Context } from "./context.ts";
import { hubKey, readCredentials } from "./credentials.ts";
import { UsageError } from "./exit-code.ts";

/** The options of every command that talks to a hub. */
export interface HubOptions {
  url?: string;
  token?: string;
  json?: boolean;
}

const LOCAL_HUB = "http://127.0.0.1:8080";

/** A command with those options. */
export function hubCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option("--url <url>", `address of the hub (MODULEHUB_URL; else that of login, else ${LOCAL_HUB})`)
    .option("--token <token>", "token to call it with (MODULEHUB_TOKEN; else that of login)")
    .option("--json", "print JSON");
}

/** A hub and what it is called with. */
export interface Connection {
  url: string;
  token: string | undefined;
}

/**
 * The hub that a command is meant for. Its token is the option's, the environment's, that of `modulehub login`, or for
 * a hub on this machine its admin token, if that can be read: the first that there is.
 */
export async function connect(context: Context, options: HubOptions): Promise<Hub> {
  return new Hub(await connection(context, options));
}

/** The same, for commands that need to know what is called with what. Throws UsageError and LocalFileError. */
export async function connection(context: Context, options: HubOptions): Promise<Connection> {
  const { settings } = context;
  const named = options.url ?? settings.MODULEHUB_URL;
  const given = options.token ?? settings.MODULEHUB_TOKEN;
  const kept = named !== undefined && given !== undefined ? undefined : await readCredentials(settings);
  const url = checkedUrl(named ?? kept?.defaultUrl ?? LOCAL_HUB);
  const token = given ?? kept?.hubs[hubKey(url)]?.token;
  if (token !== undefined) return { url, token: checkedToken(token) };
  return {
    url,
    token: isLoopback(new URL(url).hostname) ? await localToken(settings.MODULEHUB_DATA) : undefined,
  };
}

/** An address that is one of a hub by its form. */
export function checkedUrl(url: string): string {
  if (/^https?:$/.test(URL.parse(url)?.protocol ?? "")) return url;
  throw new UsageError(`${url} is not the address of a hub; it looks like ${LOCAL_HUB}.`);
}

/** A token that is one by its form. */
export function checkedToken(token: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new UsageError("The token holds characters that no token has; was it copied whole?");
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
