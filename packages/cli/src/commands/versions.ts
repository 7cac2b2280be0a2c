import type { VersionPage } from "@modulehub/client";
import { parseHandle } from "@modulehub/core";
import type { Command } from "commander";
import type { Context } from "../context.ts";
import { UsageError } from "../exit-code.ts";
import { connect, hubCommand } from "../hub-connection.ts";
import { dateText } from "../listing/date-text.ts";
import { everyItem, type ListOptions, printList, withListOptions } from "../listing/pages.ts";

type Version = VersionPage["items"][number];

export function versionsCommand(context: Context): Command {
  return withListOptions(hubCommand("versions", "list a module's versions, highest first"))
    .argument("<module>", "publisher/name")
    .action(async (handle: string, options: ListOptions) => {
      const { module, reference } = parseHandle(handle);
      if (reference.kind !== "latest")
        throw new UsageError(`versions takes a module, without a version: ${module}`);
      const hub = await connect(context, options);
      const columns = [
        { title: "HANDLE", text: ({ version }: Version) => `${module}/${version}` },
        { title: "PUBLISHED", text: ({ publishedAt }: Version) => dateText(publishedAt) },
        { title: "DIGEST", text: ({ digest }: Version) => digest, shrinks: true },
        {
          title: "YANKED",
          text: ({ yanked }: Version) => (yanked ? `yanked: ${yanked.reason}` : ""),
          shrinks: true,
        },
      ];
      const items = everyItem((page) => hub.listVersions(module, page));
      await printList(context, options, items, columns, `${module} has no version yet.`);
    });
}
