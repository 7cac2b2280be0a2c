import type { VersionComparison } from "@modulehub/client";
import type { Command } from "commander";
import { type Context, print } from "../context.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { printTable } from "../listing/table.ts";

export function compareCommand(context: Context): Command {
  return hubCommand("compare", "say how two versions do on the data that both were evaluated on")
    .argument("<first>", "a version, such as the one in use")
    .argument("<second>", "the one that is compared with it")
    .action(async (first: string, second: string, options: HubOptions) => {
      const found = await (await connect(context, options)).compareVersions(first, second);
      if (options.json) return print(context, JSON.stringify(found));
      if (found.comparisons.length === 0)
        return print(
          context,
          `${found.first} and ${found.second} were not evaluated on the same examples; modulehub evaluate does it.`,
        );
      for (const one of found.comparisons) printComparison(context, found, one);
    });
}

function printComparison(
  context: Context,
  { first, second }: VersionComparison,
  { dataSet, split, examples, comparison }: VersionComparison["comparisons"][number],
): void {
  print(context, `${dataSet.name}${split === undefined ? "" : ` (${split})`}: ${examples} examples`);
  const signed = (value: number) => `${value < 0 ? "" : "+"}${value.toFixed(4)}`;
  printTable(
    context.out,
    [
      { title: "METRIC", text: ([name]) => name },
      { title: first, text: ([, figures]) => figures.first.toFixed(4) },
      { title: second, text: ([, figures]) => figures.second.toFixed(4) },
      { title: "DIFFERENCE", text: ([, figures]) => signed(figures.difference) },
    ],
    Object.entries(comparison.differences),
  );
  if (!comparison.mcnemar) return;
  const { onlyFirst, onlySecond, pValue } = comparison.mcnemar;
  print(
    context,
    `${onlyFirst} were right in the first only, ${onlySecond} in the second only; by chance alone p = ${pValue.toPrecision(2)}.`,
  );
}
