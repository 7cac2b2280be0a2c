import { parseHandle } from "@modulehub/core";
import type { Command } from "commander";
import { type Context, print } from "../context.ts";
import { UsageError } from "../exit-code.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";

interface AliasOptions extends HubOptions {
  list?: boolean;
  remove?: boolean;
}

export function aliasCommand(context: Context): Command {
  return hubCommand("alias", "make a name stand for a version, or move it there")
    .argument("<handle>", "publisher/name/3; with --list publisher/name, with --remove publisher/name@stable")
    .argument("[name]", "the alias, such as stable")
    .option("--list", "list a module's aliases instead")
    .option("--remove", "take an alias away instead")
    .action(async (handle: string, name: string | undefined, options: AliasOptions) => {
      if (options.list && options.remove) throw new UsageError("Either --list or --remove, not both.");
      if ((options.list || options.remove) && name !== undefined)
        throw new UsageError(`${options.list ? "--list" : "--remove"} takes no second argument.`);
      if (options.list) return list(context, handle, options);
      if (options.remove) return remove(context, handle, options);
      if (name === undefined)
        throw new UsageError("The alias is missing: modulehub alias publisher/name/3 stable");
      const hub = await connect(context, options);
      const set = await hub.setAlias(handle, name);
      const { module } = parseHandle(handle);
      print(
        context,
        options.json ? JSON.stringify(set) : `${module}@${set.alias} is ${module}/${set.version}`,
      );
    });
}

/** One line an alias; with --json one object with all of them. */
async function list(context: Context, handle: string, options: AliasOptions): Promise<void> {
  const { module, reference } = parseHandle(handle);
  if (reference.kind !== "latest")
    throw new UsageError(`--list takes a module, without a version: ${module}`);
  const hub = await connect(context, options);
  const { items, next } = await hub.listAliases(module);
  for (let cursor = next; cursor !== undefined; ) {
    const page = await hub.listAliases(module, { cursor });
    items.push(...page.items);
    cursor = page.next;
  }
  if (options.json) return print(context, JSON.stringify({ items }));
  for (const { alias, version } of items) print(context, `${module}@${alias}  ${module}/${version}`);
}

async function remove(context: Context, handle: string, options: AliasOptions): Promise<void> {
  const { module, reference } = parseHandle(handle);
  if (reference.kind !== "alias") throw new UsageError(`--remove takes an alias: ${module}@stable`);
  const hub = await connect(context, options);
  await hub.removeAlias(module, reference.alias);
  const { alias } = reference;
  print(
    context,
    options.json ? JSON.stringify({ module, alias, removed: true }) : `Removed ${module}@${alias}`,
  );
}
