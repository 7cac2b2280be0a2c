import type { PublisherMember } from "@modulehub/client";
import { MEMBER_ROLES, type MemberRole } from "@modulehub/core";
import { Command, Option } from "commander";
import { type Context, print } from "../context.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { dateText } from "../listing/date-text.ts";
import { everyItem, type ListOptions, printList, withListOptions } from "../listing/pages.ts";

export function membersCommand(context: Context): Command {
  return new Command("members")
    .description("say who may do what in a publisher")
    .addCommand(listMembers(context))
    .addCommand(setMember(context))
    .addCommand(removeMember(context));
}

function listMembers(context: Context): Command {
  return withListOptions(hubCommand("list", "list a publisher's members"))
    .argument("<publisher>")
    .action(async (publisher: string, options: ListOptions) => {
      const hub = await connect(context, options);
      const columns = [
        { title: "ACCOUNT", text: ({ account }: PublisherMember) => account },
        { title: "ROLE", text: ({ role }: PublisherMember) => role },
        { title: "NAME", text: ({ displayName }: PublisherMember) => displayName, shrinks: true },
        { title: "SINCE", text: ({ createdAt }: PublisherMember) => dateText(createdAt) },
      ];
      const items = everyItem((page) => hub.listMembers(publisher, page));
      await printList(
        context,
        options,
        items,
        columns,
        `${publisher} has no members; the admin can set one.`,
      );
    });
}

function setMember(context: Context): Command {
  return hubCommand("set", "make an account a member, or give a member another role")
    .argument("<publisher>")
    .argument("<account>")
    .addOption(new Option("--role <role>", "what it may do").choices(MEMBER_ROLES).makeOptionMandatory())
    .action(async (publisher: string, account: string, options: HubOptions & { role: MemberRole }) => {
      const hub = await connect(context, options);
      const member = await hub.setMember(publisher, account, options.role);
      print(context, options.json ? JSON.stringify(member) : `${account} is ${member.role} of ${publisher}`);
    });
}

function removeMember(context: Context): Command {
  return hubCommand("remove", "end a membership")
    .argument("<publisher>")
    .argument("<account>")
    .action(async (publisher: string, account: string, options: HubOptions) => {
      const hub = await connect(context, options);
      await hub.removeMember(publisher, account);
      const done = { publisher, account, removed: true };
      print(
        context,
        options.json ? JSON.stringify(done) : `${account} is no member of ${publisher} any more`,
      );
    });
}
