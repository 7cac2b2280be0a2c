import type { HubPublisher } from "@modulehub/client";
import { Command } from "commander";
import { confirmDeletion } from "../confirm.ts";
import { type Context, print } from "../context.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { dateText } from "../listing/date-text.ts";
import { everyItem, type ListOptions, printList, withListOptions } from "../listing/pages.ts";

export function publishersCommand(context: Context): Command {
  return new Command("publishers")
    .description("list, create, rename and delete who publishes modules")
    .addCommand(listPublishers(context))
    .addCommand(createPublisher(context))
    .addCommand(renamePublisher(context))
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
