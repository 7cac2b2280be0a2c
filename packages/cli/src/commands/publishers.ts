import type { HubPublisher } from "@modulehub/client";
import { Command } from "commander";
import { byteText } from "../byte-text.ts";
import { confirmDeletion } from "../confirm.ts";
import { type Context, print } from "../context.ts";
import { UsageError } from "../exit-code.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { dateText } from "../listing/date-text.ts";
import { everyItem, type ListOptions, printList, withListOptions } from "../listing/pages.ts";

export function publishersCommand(context: Context): Command {
  return new Command("publishers")
    .description("list, create, rename and delete who publishes modules, and limit what they keep")
    .addCommand(listPublishers(context))
    .addCommand(createPublisher(context))
    .addCommand(renamePublisher(context))
    .addCommand(quotaOfPublisher(context))
    .addCommand(deletePublisher(context));
}

function listPublishers(context: Context): Command {
  return withListOptions(hubCommand("list", "list them by name")).action(async (options: ListOptions) => {
    const hub = await connect(context, options);
    const columns = [
      { title: "PUBLISHER", text: ({ id }: HubPublisher) => id },
      { title: "NAME", text: ({ displayName }: HubPublisher) => displayName, shrinks: true },
      { title: "CREATED", text: ({ createdAt }: HubPublisher) => dateText(createdAt) },
    ];
    const items = everyItem((page) => hub.listPublishers(page));
    await printList(context, options, items, columns, "There are no publishers.");
  });
}

interface CreateOptions extends HubOptions {
  name?: string;
  owner?: string;
}

function createPublisher(context: Context): Command {
  return hubCommand("create", "make one, and become its owner")
    .argument("<publisher>", "the first part of its modules' names")
    .option("--name <text>", "how it is called on pages")
    .option("--owner <account>", "who owns it instead; for the admin")
    .action(async (id: string, { name, owner, ...options }: CreateOptions) => {
      const hub = await connect(context, options);
      const publisher = await hub.createPublisher(id, { displayName: name, owner });
      print(context, options.json ? JSON.stringify(publisher) : `Created ${publisher.id}`);
    });
}

function renamePublisher(context: Context): Command {
  return hubCommand("rename", "change how one is called on pages; its modules' names stay")
    .argument("<publisher>")
    .argument("<text>", "such as 'Acme Research'")
    .action(async (id: string, displayName: string, options: HubOptions) => {
      const hub = await connect(context, options);
      const publisher = await hub.renamePublisher(id, displayName);
      print(
        context,
        options.json ? JSON.stringify(publisher) : `${publisher.id} is called ${publisher.displayName}`,
      );
    });
}

function quotaOfPublisher(context: Context): Command {
  return hubCommand("quota", "say how many bytes one keeps, and may keep; or set that, for the admin")
    .argument("<publisher>")
    .argument("[bytes]", "such as 500GB, or none for no limit", quotaBytes)
    .action(async (id: string, bytes: number | null | undefined, options: HubOptions) => {
      const hub = await connect(context, options);
      const quota = bytes === undefined ? await hub.readQuota(id) : await hub.setQuota(id, bytes);
      const most = quota.quota === undefined ? "without a limit" : `of ${byteText(quota.quota)}`;
      print(
        context,
        options.json ? JSON.stringify(quota) : `${quota.publisher} keeps ${byteText(quota.used)} ${most}`,
      );
    });
}

/** A number of bytes, with a unit of powers of 1,000 as output has it. */
function quotaBytes(text: string): number | null {
  if (text === "none") return null;
  const [, number, unit = "B"] = /^(\d{1,15})\s*(B|kB|MB|GB|TB)?$/.exec(text) ?? [];
  const bytes = Number(number) * 1000 ** ["B", "kB", "MB", "GB", "TB"].indexOf(unit);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new UsageError(`A quota is a number of bytes, such as 500GB, or none; not ${text}.`);
}

function deletePublisher(context: Context): Command {
  return hubCommand("delete", "delete one that has no modules; its name is never used again")
    .argument("<publisher>")
    .option("--yes", "don't ask; needed where there is no terminal")
    .action(async (id: string, { yes, ...options }: HubOptions & { yes?: boolean }) => {
      const hub = await connect(context, options);
      if (!yes) await confirmDeletion(context, id);
      await hub.deletePublisher(id);
      print(context, options.json ? JSON.stringify({ publisher: id, deleted: true }) : `Deleted ${id}`);
    });
}
