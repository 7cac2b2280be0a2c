import type { AuditPage } from "@modulehub/client";
import type { Command } from "commander";
import type { Context } from "../context.ts";
import { connect, hubCommand } from "../hub-connection.ts";
import { dateText } from "../listing/date-text.ts";
import { everyItem, type ListOptions, printList, withListOptions } from "../listing/pages.ts";

type Entry = AuditPage["items"][number];

interface AuditOptions extends ListOptions {
  publisher?: string;
  module?: string;
}

export function auditCommand(context: Context): Command {
  return withListOptions(hubCommand("audit", "list who changed what, newest first"))
    .option("--publisher <id>", "in this publisher; its owners may read that")
    .option("--module <module>", "in this module, under every name that it had in its publisher")
    .addHelpText("after", "\nWithout a publisher or module, all of the hub: for the admin.")
    .action(async ({ publisher, module, ...options }: AuditOptions) => {
      const hub = await connect(context, options);
      const columns = [
        { title: "AT", text: ({ at }: Entry) => dateText(at) },
        { title: "ACCOUNT", text: ({ account }: Entry) => account ?? "" },
        { title: "ACTION", text: ({ action }: Entry) => action },
        { title: "OF", text: subject, shrinks: true },
        { title: "DETAIL", text: ({ detail }: Entry) => detailText(detail), shrinks: true },
      ];
      const items = everyItem((page) => hub.listAudit({ ...page, publisher, module }));
      await printList(context, options, items, columns, "Nothing was changed.");
    });
}

const subject = ({ publisher, module, version }: Entry): string =>
  `${module ?? publisher ?? ""}${version === undefined ? "" : `/${version}`}`;

const detailText = (detail: Entry["detail"]): string =>
  Object.entries(detail)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
