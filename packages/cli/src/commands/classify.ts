import type { ClassifyAnswer } from "@modulehub/client";
import type { Command } from "commander";
import { type Context, print } from "../context.ts";
import { UsageError } from "../exit-code.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { itemsOf, requests } from "../items.ts";
import { cutLine, oneLine } from "../listing/table.ts";

interface ClassifyOptions extends HubOptions {
  topK?: number;
}

const SHOWN = 5;
/** Columns of the line that says of which text labels are. */
const HEADING = 80;

export function classifyCommand(context: Context): Command {
  return hubCommand("classify", "label texts or images, best first")
    .argument("<handle>")
    .argument("<items...>", "files of images; for a module that takes texts, texts or @FILE with one a line")
    .option("--top-k <n>", "labels an item", wholeNumber)
    .action(async (handle: string, texts: string[], options: ClassifyOptions) => {
      const hub = await connect(context, options);
      const { exact, items } = await itemsOf(hub, handle, texts);
      let answer: ClassifyAnswer | undefined;
      for (const inputs of requests(items)) {
        const part = await hub.classify(exact, inputs, { topK: options.topK });
        if (answer) answer.results.push(...part.results);
        else answer = part;
      }
      if (options.json) return print(context, JSON.stringify(answer));
      const results = answer?.results ?? [];
      const headings =
        items.kind === "texts" ? items.items.map((text) => cutLine(text, HEADING)) : texts.map(oneLine);
      for (const [index, labels] of results.entries()) {
        if (results.length > 1) print(context, headings[index] ?? "");
        for (const { label, score } of labels.slice(0, options.topK ?? SHOWN))
          print(context, `${(typeof score === "number" ? score.toFixed(4) : score).padStart(8)}  ${label}`);
      }
    });
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new UsageError(`--top-k takes a number from 1 up, not ${text}.`);
  return Number(text);
}
