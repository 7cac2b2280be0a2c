import type { FoundModule, SearchQuery } from "@modulehub/client";
import type { Command } from "commander";
import type { Context } from "../context.ts";
import { connect } from "../hub-connection.ts";
import { dateText } from "./date-text.ts";
import { type ListOptions, printList, withListOptions } from "./pages.ts";

/** The options of `list` and `search`: the API's own words. */
export type FindOptions = ListOptions & Omit<SearchQuery, "text">;

/** Adds them. */
export const withFindOptions = (command: Command): Command =>
  withListOptions(command).option("--publisher <id>", "modules of this publisher");

/** Prints the modules that fit a query. */
export async function printModules(
  context: Context,
  { url, token, json, limit, all, ...filters }: FindOptions,
  text?: string,
): Promise<void> {
  const hub = await connect(context, { url, token });
  const query: SearchQuery = { ...filters };
  await printList(
    context,
    { json, limit, all },
    hub.search(query, { pageSize: Math.min(100, all ? 100 : limit + 1) }),
    [
      { title: "MODULE", text: ({ module }: FoundModule) => module },
      { title: "LATEST", text: ({ latest }: FoundModule) => (latest ? String(latest.version) : "") },
      { title: "TASK", text: ({ latest }: FoundModule) => latest?.task ?? "" },
      { title: "PUBLISHED", text: ({ latest }: FoundModule) => dateText(latest?.publishedAt) },
    ],
    text === undefined ? "There is no such module." : `Nothing is found for ${text}.`,
  );
}
