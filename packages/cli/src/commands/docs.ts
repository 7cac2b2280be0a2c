import { readFile, stat } from "node:fs/promises";
import { type Documentation, type DocumentationPage, type Hub, LocalFileError } from "@modulehub/client";
import type { Command } from "commander";
import { byteText } from "../byte-text.ts";
import { type Context, print, say } from "../context.ts";
import { UsageError } from "../exit-code.ts";
import { connect, hubCommand } from "../hub-connection.ts";
import { dateText } from "../listing/date-text.ts";
import { everyItem, type ListOptions, printList, withListOptions } from "../listing/pages.ts";

type Revision = DocumentationPage["items"][number];

interface DocsOptions extends ListOptions {
  set?: string;
  base?: number;
  message?: string;
  history?: boolean;
  revision?: number;
}

export function docsCommand(context: Context): Command {
  return withListOptions(hubCommand("docs", "print a version's README, or change its documentation"))
    .argument("<handle>", "publisher/name, then nothing, /3 or @alias; to change it, publisher/name/3")
    .option("--set <file|folder>", "the new README, or a folder with README, LICENSE, docs/ and images/")
    .option("--message <text>", "what was changed, in a line")
    .option("--base <n>", "the revision that was changed; refused where there is a newer one", revisionNumber)
    .option("--history", "list the revisions, newest first")
    .option("--revision <n>", "print this one", revisionNumber)
    .addHelpText("after", "\nAn edit is a new revision: the version's files and its digest stay as they are.")
    .action(async (handle: string, options: DocsOptions) => {
      const ways = [options.set, options.history, options.revision].filter((each) => each !== undefined);
      if (ways.length > 1) throw new UsageError("Either --set, --history or --revision, not several.");
      if (options.set === undefined && (options.base ?? options.message) !== undefined)
        throw new UsageError("--base and --message go with --set.");
      const hub = await connect(context, options);
      if (options.history) return history(context, hub, handle, options);
      if (options.set !== undefined) return change(context, hub, handle, options.set, options);
      return show(context, hub, handle, options);
    });
}

async function show(context: Context, hub: Hub, handle: string, options: DocsOptions): Promise<void> {
  const documentation = await hub.documentation(handle, { revision: options.revision });
  if (options.json) return print(context, JSON.stringify(documentation));
  const readme = documentation.files.find(({ path }) => path.toLowerCase() === "readme.md");
  if (readme) context.out.write(await hub.documentationFile(readme));
  else say(context, `Revision ${documentation.revision} has no README.md.`);
  for (const { path, size } of documentation.files)
    if (path !== readme?.path) say(context, `  ${path}  ${byteText(size)}`);
}

/** A folder is the whole documentation; a file takes its place among those that are there. */
async function change(
  context: Context,
  hub: Hub,
  handle: string,
  path: string,
  { base, message, json }: DocsOptions,
): Promise<void> {
  const about = await stat(path).catch((cause: unknown) => {
    throw new LocalFileError(`${path} can't be read. Name a README or a folder.`, cause);
  });
  const edited: Documentation = about.isDirectory()
    ? await hub.editDocumentation(handle, path, { base, message })
    : await replaceReadme(hub, handle, await readFile(path), { base, message });
  if (json) return print(context, JSON.stringify(edited));
  print(context, `${edited.module}/${edited.version} has revision ${edited.revision} of its documentation`);
}

async function replaceReadme(
  hub: Hub,
  handle: string,
  readme: Uint8Array,
  { base, message }: Pick<DocsOptions, "base" | "message">,
): Promise<Documentation> {
  const now = await hub.documentation(handle);
  const files: Record<string, Uint8Array> = {};
  for (const file of now.files)
    if (file.path.toLowerCase() !== "readme.md") files[file.path] = await hub.documentationFile(file);
  const path = now.files.find((file) => file.path.toLowerCase() === "readme.md")?.path ?? "README.md";
  files[path] = readme;
  return hub.editDocumentation(handle, files, { base: base ?? now.revision, message });
}

async function history(context: Context, hub: Hub, handle: string, options: ListOptions): Promise<void> {
  const columns = [
    { title: "REVISION", text: ({ revision }: Revision) => String(revision) },
    { title: "MADE", text: ({ createdAt }: Revision) => dateText(createdAt) },
    { title: "BY", text: ({ by }: Revision) => by ?? "" },
    { title: "MESSAGE", text: ({ message }: Revision) => message ?? "", shrinks: true },
    {
      title: "CHANGED",
      text: ({ changes }: Revision) => changes.first.map(({ path }) => path).join(", "),
      shrinks: true,
    },
  ];
  const items = everyItem((page) => hub.listDocumentation(handle, page));
  await printList(context, options, items, columns, "There are no revisions.");
}

function revisionNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`A revision is a number, not ${text}.`);
  return Number(text);
}
