import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { type CommitPage, type Draft, type Head, LocalFileError } from "@modulehub/client";
import { parseHandle, parseModuleName, problem } from "@modulehub/core";
import { Command } from "commander";
import { type AliasOptions, aliasesOf, aliasOption } from "../alias-option.ts";
import { byteText } from "../byte-text.ts";
import { type Context, print, say } from "../context.ts";
import { problemText } from "../error-text.ts";
import { EXIT, UsageError } from "../exit-code.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { dateText } from "../listing/date-text.ts";
import { everyItem, type ListOptions, printList, withListOptions } from "../listing/pages.ts";

type Commit = CommitPage["items"][number];

export function headCommand(context: Context): Command {
  return new Command("head")
    .description("change a module by commits; what they lead to becomes its next version")
    .addCommand(showHead(context))
    .addCommand(commit(context))
    .addCommand(publish(context))
    .addCommand(log(context))
    .addCommand(discard(context));
}

function showHead(context: Context): Command {
  return hubCommand("show", "say where a module's head is, and what becomes of it")
    .argument("<module>", "publisher/name")
    .action(async (module: string, options: HubOptions) => {
      const hub = await connect(context, options);
      printHead(context, await hub.readHead(module), options);
    });
}

interface CommitCommandOptions extends HubOptions {
  message?: string;
  parent?: string;
  delete: string[];
  mirror?: boolean;
  public?: boolean;
}

function commit(context: Context): Command {
  return hubCommand("commit", "put a folder's files, or one file, into a module's head, and delete others")
    .argument("<module>", "publisher/name; it is made if there is none")
    .argument("[path]", "the folder or the file; the head's other files stay")
    .option("-m, --message <text>", "what is changed, and why")
    .option(
      "--delete <path>",
      "delete this file of the head, or this folder/; repeatable",
      (path: string, earlier: string[]) => [...earlier, path],
      [],
    )
    .option("--mirror", "delete whatever the folder hasn't")
    .option("--parent <revision>", "the revision that was changed; refused where the head has moved on")
    .option("--public", "a new module is seen by everyone; by its publisher only unless this is said")
    .action(async (module: string, path: string | undefined, options: CommitCommandOptions) => {
      if (path === undefined && options.delete.length === 0)
        throw new UsageError("Name a folder or a file to put, or what to --delete.");
      if (options.mirror && path === undefined) throw new UsageError("--mirror goes with a folder.");
      const { message, parent, mirror } = options;
      const source = path === undefined ? {} : await sourceAt(path, mirror);
      const hub = await connect(context, options);
      const head = await hub.commit(module, source, {
        message,
        parent,
        mirror,
        delete: options.delete,
        createPublisher: true,
        ...(options.public && { visibility: "public" }),
      });
      printHead(context, head, options);
    });
}

/** A folder by its path; a file by its name and bytes. */
async function sourceAt(path: string, mirror = false): Promise<string | Record<string, Uint8Array>> {
  const about = await stat(path).catch((cause: unknown) => {
    throw new LocalFileError(`${path} can't be read. Name a folder or a file.`, cause);
  });
  if (about.isDirectory()) return path;
  if (mirror) throw new UsageError("--mirror goes with a folder.");
  return { [basename(path)]: await readFile(path) };
}

interface PublishOptions extends HubOptions, AliasOptions {}

function publish(context: Context): Command {
  return hubCommand("publish", "have a head verified and published now")
    .argument("<handle>", "publisher/name for the next number, with @alias or /3 as publish takes them")
    .addOption(aliasOption())
    .action(async (handle: string, options: PublishOptions) => {
      const { module, reference } = parseHandle(handle);
      if (reference.kind === "digest")
        throw problem(
          "invalid-handle",
          "Publish as publisher/name, or publisher/name/3 to choose the number.",
        );
      const version = reference.kind === "version" ? reference.version : undefined;
      const hub = await connect(context, options);
      const head = await hub.publishHead(module, { version, aliases: aliasesOf(reference, options) });
      let draft: Draft | undefined;
      if (head.draft !== undefined)
        for await (const event of hub.watchDraft(head.draft)) if (event.kind === "state") draft = event.draft;
      if (draft !== undefined && draft.state !== "published")
        process.exitCode = draft.state === "rejected" ? EXIT.refused : EXIT.hubFailed;
      printHead(context, await hub.readHead(module), options);
    });
}

function log(context: Context): Command {
  return withListOptions(hubCommand("log", "list the commits that led to a head, newest first"))
    .argument("<module>", "publisher/name")
    .action(async (module: string, options: ListOptions) => {
      const hub = await connect(context, options);
      const columns = [
        { title: "REVISION", text: ({ revision }: Commit) => revision.slice(0, 12) },
        { title: "MADE", text: ({ createdAt }: Commit) => dateText(createdAt) },
        { title: "BY", text: ({ author }: Commit) => author ?? "" },
        { title: "VERSION", text: ({ version }: Commit) => (version === undefined ? "" : String(version)) },
        { title: "MESSAGE", text: ({ message }: Commit) => message ?? "", shrinks: true },
      ];
      const items = everyItem((page) => hub.listCommits(module, page));
      await printList(context, options, items, columns, "There are no commits.");
    });
}

function discard(context: Context): Command {
  return hubCommand(
    "discard",
    "throw away the commits that no version has; the head is the latest version again",
  )
    .argument("<module>", "publisher/name")
    .action(async (module: string, options: HubOptions) => {
      const hub = await connect(context, options);
      printHead(context, await hub.discardHead(parseModuleName(module)), options);
    });
}

function printHead(context: Context, head: Head, { json }: HubOptions): void {
  if (json) {
    print(context, JSON.stringify(head));
    return;
  }
  print(context, `${head.module}  ${head.revision}  ${stateText(head)}`);
  for (const document of head.problems ?? []) say(context, `modulehub: ${problemText(document)}`);
  print(context, `  ${head.fileCount} files, ${byteText(head.bytes)}`);
}

function stateText(head: Head): string {
  switch (head.state) {
    case "published":
      return `is version ${head.version}`;
    case "waiting":
      return head.publishAt === undefined
        ? "waits to be published"
        : `is published at ${dateText(head.publishAt)}, or by modulehub head publish`;
    case "incomplete":
      return "has no .onnx file yet, so it stays a head";
    default:
      return head.state;
  }
}
