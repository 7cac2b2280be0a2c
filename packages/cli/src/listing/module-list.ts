import type { FoundModule, SearchQuery } from "@modulehub/client";
import { type Command, Option } from "commander";
import type { Context } from "../context.ts";
import { connect } from "../hub-connection.ts";
import { dateText } from "./date-text.ts";
import { type ListOptions, printList, withListOptions } from "./pages.ts";

/** The options of `list` and `search`: the API's own words. */
export type FindOptions = ListOptions & Omit<SearchQuery, "q">;

/** The most that one answer of the hub lists. */
const PAGE = 100;

const FILTERS = [
  ["--publisher <id>", "of this publisher"],
  ["--task <name>", "for this task, such as text-embedding"],
  ["--dtype <name>", "with an input or output of this dtype, such as float32"],
  ["--input <name>", "with such an input: a name, a dtype, or name:dtype"],
  ["--output <name>", "with such an output"],
  ["--license <id>", "under this license, such as mit"],
  ["--language <code>", "for this language, such as en"],
  ["--tag <tag>", "with this tag"],
] as const;

/** Adds them. */
export function withFindOptions(command: Command): Command {
  for (const [flags, description] of FILTERS)
    command.option(flags, description, (value: string, earlier: string[] = []) => [...earlier, value]);
  return withListOptions(
    command
      .addOption(
        new Option("--sort <order>", "how they are ordered").choices(["relevance", "name", "recent", "size"]),
      )
      .addHelpText(
        "after",
        "\nFilters may be given several times: any of the values fits, all of the filters must.",
      ),
  );
}

/** Prints the modules that fit words and filters. */
export async function printModules(context: Context, options: FindOptions, q?: string): Promise<void> {
  const { url, token, json, limit, all, ...filters } = options;
  const hub = await connect(context, options);
  await printList(
    context,
    { json, limit, all },
    hub.search({ ...filters, q }, { pageSize: all ? PAGE : Math.min(PAGE, limit + 1) }),
    [
      { title: "MODULE", text: ({ module }: FoundModule) => module },
      { title: "LATEST", text: ({ latest }: FoundModule) => (latest ? String(latest.version) : "") },
      { title: "TASK", text: ({ latest }: FoundModule) => latest?.task ?? "" },
      { title: "PUBLISHED", text: ({ latest }: FoundModule) => dateText(latest?.publishedAt) },
      { title: "TITLE", text: ({ title }: FoundModule) => title ?? "", shrinks: true },
    ],
    q === undefined ? "There is no such module." : `Nothing is found for "${q}".`,
  );
}
