import { collectModule, type PublishEvent } from "@modulehub/client";
import { parseHandle } from "@modulehub/core";
import type { Command } from "commander";
import { type AliasOptions, aliasesOf, aliasOption } from "../alias-option.ts";
import { byteText } from "../byte-text.ts";
import { type Context, print, say } from "../context.ts";
import { problemText } from "../error-text.ts";
import { EXIT } from "../exit-code.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { Progress } from "../progress.ts";

interface PublishOptions extends HubOptions, AliasOptions {
  private?: boolean;
  dryRun?: boolean;
}

export function publishCommand(context: Context): Command {
  return hubCommand("publish", "publish a folder or an .onnx file as the next version of a module")
    .argument("<path>", "a folder with module.json, one in Hugging Face's layout, or an .onnx file")
    .argument(
      "<handle>",
      "publisher/name for the next number, publisher/name/3 for that one; publisher/name@stable sets an alias too",
    )
    .addOption(aliasOption())
    .option("--private", "a new module is seen by its publisher only")
    .option("--dry-run", "print the module.json that would go along, for correction, and publish nothing")
    .action(async (path: string, handle: string, options: PublishOptions) => {
      const { module, reference } = parseHandle(handle);
      if (options.dryRun) return dryRun(context, path, options);
      const hub = await connect(context, options);
      const progress = new Progress(context.err);
      const target = reference.kind === "alias" ? module : handle;
      const aliases = aliasesOf(reference, options);
      const visibility = options.private ? "private" : "public";
      try {
        for await (const event of hub.publish(path, target, { visibility, aliases, createPublisher: true }))
          show(context, progress, event, options);
      } finally {
        progress.clear();
      }
    });
}

async function dryRun(context: Context, path: string, options: PublishOptions): Promise<void> {
  const { manifest, files, derived } = await collectModule(path);
  if (options.json) {
    const list = files.map((file) => ({ path: file.path, size: file.size }));
    return print(context, JSON.stringify({ manifest, files: list, ...derived }));
  }
  print(context, JSON.stringify(manifest, null, 2));
  if (derived)
    say(
      context,
      `Derived: this is ${derived.layout}. To change it, save it beside the files as module.json.`,
    );
  for (const note of derived?.notes ?? []) say(context, `  ${note}`);
  for (const file of files) say(context, `  ${file.path}  ${byteText(file.size)}`);
}

function show(context: Context, progress: Progress, event: PublishEvent, { json }: PublishOptions): void {
  switch (event.kind) {
    case "derived":
      progress.note(`No module.json: this is ${event.layout}.`);
      for (const note of event.notes) progress.note(`  ${note}`);
      return;
    case "hashing":
      progress.bytes("Hashing", event.hashedBytes, event.totalBytes, event.path);
      return;
    case "draft": {
      const missing =
        event.missing.length === 0 ? "all of them there" : `${byteText(event.missingBytes)} to send`;
      progress.phase(`Draft of ${event.files} files, ${missing}`);
      return;
    }
    case "sending":
      progress.bytes("Sending", event.sentBytes, event.totalBytes, event.path);
      return;
    case "verifying":
      progress.phase("Verifying");
      return;
    case "published": {
      progress.clear();
      const { handle, version, digest } = event;
      print(context, json ? JSON.stringify({ handle, version, digest }) : `Published ${handle}  ${digest}`);
      return;
    }
    case "rejected":
    case "failed":
      progress.clear();
      process.exitCode = event.kind === "rejected" ? EXIT.refused : EXIT.hubFailed;
      if (event.problems.length === 0)
        say(context, "modulehub: the draft failed without a reason. Publish again.");
      for (const document of event.problems)
        say(context, json ? JSON.stringify(document) : `modulehub: ${problemText(document)}`);
  }
}
