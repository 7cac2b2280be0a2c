import type { Draft, DraftFilter, DraftPage } from "@modulehub/client";
import { Command, Option } from "commander";
import { byteText } from "../byte-text.ts";
import { type Context, print, say } from "../context.ts";
import { problemText } from "../error-text.ts";
import { EXIT } from "../exit-code.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { dateText } from "../listing/date-text.ts";
import { everyItem, type ListOptions, printList, withListOptions } from "../listing/pages.ts";

type ListedDraft = DraftPage["items"][number];

const STATES: NonNullable<DraftFilter["state"]>[] = [
  "uploading",
  "verifying",
  "published",
  "rejected",
  "failed",
  "expired",
  "cancelled",
];

export function draftsCommand(context: Context): Command {
  return new Command("drafts")
    .description("list versions on their way, cancel them, or try them again")
    .addCommand(listDrafts(context))
    .addCommand(publishDraft(context))
    .addCommand(cancelDraft(context));
}

function listDrafts(context: Context): Command {
  return withListOptions(hubCommand("list", "list them, newest first"))
    .argument("[module]", "of this module only")
    .addOption(new Option("--state <state>", "in this state only").choices(STATES))
    .action(async (module: string | undefined, { state, ...options }: ListOptions & DraftFilter) => {
      const hub = await connect(context, options);
      const columns = [
        { title: "ID", text: ({ id }: ListedDraft) => id },
        { title: "STATE", text: ({ state }: ListedDraft) => state },
        { title: "MODULE", text: ({ module }: ListedDraft) => module, shrinks: true },
        { title: "SIZE", text: ({ bytes }: ListedDraft) => byteText(bytes) },
        { title: "CHANGED", text: ({ updatedAt }: ListedDraft) => dateText(updatedAt) },
        { title: "PROBLEMS", text: ({ problems }: ListedDraft) => problems.join(", "), shrinks: true },
      ];
      const items = everyItem((page) => hub.listDrafts({ ...page, module, state }));
      await printList(context, options, items, columns, "There are no drafts.");
    });
}

function publishDraft(context: Context): Command {
  return hubCommand("publish", "have a draft verified and published, also one that failed")
    .argument("<id>", "as drafts list says it")
    .action(async (id: string, options: HubOptions) => {
      const hub = await connect(context, options);
      let draft: Draft = await hub.publishDraft(id);
      for await (const event of hub.watchDraft(id)) if (event.kind === "state") draft = event.draft;
      if (draft.state !== "published") {
        process.exitCode = draft.state === "rejected" ? EXIT.refused : EXIT.hubFailed;
        for (const document of draft.problems ?? [])
          say(context, options.json ? JSON.stringify(document) : `modulehub: ${problemText(document)}`);
      }
      print(context, options.json ? JSON.stringify(draft) : draftText(draft));
    });
}

function cancelDraft(context: Context): Command {
  return hubCommand("cancel", "give a draft up, also while it is verified")
    .argument("<id>", "as drafts list says it")
    .action(async (id: string, options: HubOptions) => {
      const hub = await connect(context, options);
      const draft = await hub.cancelDraft(id);
      print(context, options.json ? JSON.stringify(draft) : draftText(draft));
    });
}

const draftText = ({ id, state, version, module }: Draft): string =>
  typeof version === "number" && module !== undefined
    ? `Draft ${id} is ${state} as ${module}/${version}`
    : `Draft ${id} is ${state}`;
