import type { Command } from "commander";
import { type Context, print, say } from "../context.ts";
import { UsageError } from "../exit-code.ts";
import type { HubOptions } from "../hub-connection.ts";
import { type Column, printTable } from "./table.ts";

/** The options of every command that prints a list. */
export interface ListOptions extends HubOptions {
  limit: number;
  all?: boolean;
}

const LIMIT = 50;
/** More would not fit an answer of the hub. */
const PAGE = 100;

/** Adds those options. */
export const withListOptions = (command: Command): Command =>
  command
    .option("--limit <n>", "items at most", wholeNumber, LIMIT)
    .option("--all", "all of them, however many");

interface Page<T> {
  items: T[];
  next?: string | undefined;
}

/** The items of a list that comes in pages, asked for as they are read. */
export async function* everyItem<T>(
  page: (options: { cursor?: string; limit: number }) => Promise<Page<T>>,
): AsyncGenerator<T, void> {
  let cursor: string | undefined;
  do {
    const { items, next } = await page({ cursor, limit: PAGE });
    yield* items;
    cursor = next;
  } while (cursor !== undefined);
}

/**
 * Prints as much of a list as is wanted, a line an item; with --json one object `{"items": […], "more": boolean}`.
 * `nothing` is told where the list is empty.
 */
export async function printList<T>(
  context: Context,
  options: ListOptions,
  items: AsyncIterable<T>,
  columns: readonly Column<T>[],
  nothing: string,
): Promise<void> {
  const limit = options.all ? Number.POSITIVE_INFINITY : options.limit;
  const shown: T[] = [];
  let more = false;
  for await (const item of items) {
    more = shown.length >= limit;
    if (more) break;
    shown.push(item);
  }
  if (options.json) return print(context, JSON.stringify({ items: shown, more }));
  printTable(context.out, columns, shown);
  if (shown.length === 0) say(context, nothing);
  if (more) say(context, `These are the first ${limit}. More: --limit N, or --all.`);
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new UsageError(`--limit takes a number from 1 up, not ${text}.`);
  return Number(text);
}
