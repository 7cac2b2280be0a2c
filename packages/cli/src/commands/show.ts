import type { Documentation, Manifest, ShownVersion } from "@modulehub/client";
import { parseHandle } from "@modulehub/core";
import type { Command } from "commander";
import { byteText } from "../byte-text.ts";
import { type Context, print } from "../context.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { dateText } from "../listing/date-text.ts";
import { everyItem } from "../listing/pages.ts";
import { oneLine } from "../listing/table.ts";
import { yankText } from "../yank-warning.ts";

export function showCommand(context: Context): Command {
  return hubCommand("show", "say what a version is: its task, inputs, outputs and files")
    .argument("<handle>", "publisher/name, then nothing, /3, @alias or @sha256:…")
    .action(async (handle: string, options: HubOptions) => {
      const hub = await connect(context, options);
      const version = await hub.showVersion(handle);
      if (options.json) return print(context, JSON.stringify(version));
      const { module } = parseHandle(handle);
      const aliases: string[] = [];
      for await (const alias of everyItem((page) => hub.listAliases(module, page)))
        if (alias.version === version.version) aliases.push(alias.alias);
      const { card } = await hub.documentation(version.handle);
      for (const line of versionText(version, card, aliases)) print(context, line);
    });
}

function* versionText(
  version: ShownVersion,
  { title, license }: Documentation["card"],
  aliases: readonly string[],
): Generator<string> {
  const { manifest, files, yanked } = version;
  yield `${version.handle}`;
  if (yanked) yield `  yanked     ${yankText(yanked)}`;
  if (title !== undefined) yield `  title      ${oneLine(title)}`;
  yield `  task       ${manifest.task}`;
  if (license !== undefined) yield `  license    ${oneLine(license)}`;
  yield `  published  ${dateText(version.publishedAt)}`;
  if (aliases.length > 0) yield `  aliases    ${aliases.join(", ")}`;
  yield `  digest     ${version.digest}`;
  yield `  page       ${version.url}`;
  for (const [name, { inputs, outputs }] of Object.entries(manifest.signatures)) {
    yield `signature ${name}`;
    yield* valuesText("in ", inputs);
    yield* valuesText("out", outputs);
  }
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  yield `${files.length} ${files.length === 1 ? "file" : "files"}, ${byteText(bytes)}`;
  for (const { path, size, role } of files)
    yield `  ${byteText(size).padStart(9)}  ${role.padEnd(7)}  ${path}`;
}

type Values = Manifest["signatures"][string]["inputs"];

function* valuesText(kind: string, values: Values): Generator<string> {
  for (const [name, { dtype, shape }] of Object.entries(values))
    yield `  ${kind} ${name}: ${dtype} [${shape.join(", ")}]`;
}
