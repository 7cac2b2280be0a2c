import type { Lineage } from "@modulehub/client";
import { accuracyOf, SPLITS } from "@modulehub/core";
import type { Command } from "commander";
import { type Context, print } from "../context.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { dateText } from "../listing/date-text.ts";

export function lineageCommand(context: Context): Command {
  return hubCommand("lineage", "say what a version was trained from, and on what")
    .argument("<handle>")
    .option("--down", "say what was trained from it")
    .action(async (handle: string, options: HubOptions & { down?: boolean }) => {
      const lineage = await (await connect(context, options)).lineage(handle);
      if (options.json) return print(context, JSON.stringify(lineage));
      for (const line of options.down ? downText(lineage) : upText(lineage)) print(context, line);
    });
}

/** Stands for a version that whoever asks may not read. */
const UNSEEN = "one that you may not see";

function* upText({ handle, trainedFrom, ancestors }: Lineage): Generator<string> {
  yield handle;
  if (!trainedFrom) return yield "  was not trained on this hub";
  const { base, dataSet, figures, at } = trainedFrom;
  yield `  trained    ${dateText(at)}`;
  yield `  base       ${base ? relativeText(base) : UNSEEN}`;
  yield `  data       ${dataSet.name}  ${dataSet.digest}`;
  for (const split of SPLITS) {
    const accuracy = accuracyOf(figures[split]);
    if (accuracy !== undefined) yield `  ${split.padEnd(10)} accuracy ${accuracy.toFixed(4)}`;
  }
  for (const ancestor of ancestors) yield `  from       ${relativeText(ancestor)}`;
}

function* downText({ handle, descendants }: Lineage): Generator<string> {
  if (descendants.length === 0) yield `Nothing that you may see was trained from ${handle}.`;
  for (const { from = UNSEEN, at, ...descendant } of descendants)
    yield `${relativeText(descendant)}  from ${from}  ${dateText(at)}`;
}

const relativeText = ({ handle, yanked, deleted }: Lineage["ancestors"][number]): string =>
  `${handle}${deleted ? " (deleted)" : yanked ? " (yanked)" : ""}`;
