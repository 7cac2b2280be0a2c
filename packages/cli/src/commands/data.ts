import { readingOf, reportOf } from "@modulehub/client";
import { Command } from "commander";
import { type Context, print, say } from "../context.ts";
import { problemText } from "../error-text.ts";
import { EXIT } from "../exit-code.ts";
import { type DataOptions, readingOptions, withDataOptions } from "../jobs/data-options.ts";
import { reportText } from "../jobs/report-text.ts";

export function dataCommand(context: Context): Command {
  return new Command("data")
    .description("look at data sets before anything is trained on them")
    .addCommand(checkData(context));
}

function checkData(context: Context): Command {
  const command = new Command("check")
    .description("say what is in a data set, and what stands in the way; needs no hub")
    .argument("<path>", "a folder or archive with a folder per class, or a CSV, TSV or JSONL")
    .option("--json", "print JSON");
  return withDataOptions(command).action(async (path: string, options: DataOptions & { json?: boolean }) => {
    const reading = await readingOf(path, readingOptions(options));
    const report = await reportOf(path, reading);
    if (report.problems.length > 0) process.exitCode = EXIT.refused;
    if (options.json) return print(context, JSON.stringify(report));
    for (const line of reportText(report)) print(context, line);
    for (const document of report.problems) say(context, `modulehub: ${problemText(document)}`);
  });
}
