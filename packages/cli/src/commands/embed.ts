import type { EmbedAnswer } from "@modulehub/client";
import type { Command } from "commander";
import { type Context, print } from "../context.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { itemsOf, requests } from "../items.ts";

export function embedCommand(context: Context): Command {
  return hubCommand("embed", "turn texts or images into vectors")
    .argument("<handle>")
    .argument("<items...>", "texts, or @FILE with one a line; for a module that takes images, their files")
    .action(async (handle: string, texts: string[], options: HubOptions) => {
      const hub = await connect(context, options);
      const { exact, items } = await itemsOf(hub, handle, texts);
      let answer: EmbedAnswer | undefined;
      for (const inputs of requests(items)) {
        const part = await hub.embed(exact, inputs);
        if (answer) answer.embeddings.push(...part.embeddings);
        else answer = part;
      }
      if (options.json) return print(context, JSON.stringify(answer));
      for (const vector of answer?.embeddings ?? [])
        print(context, `${vector.slice(0, 8).map(numberText).join(" ")} … (${vector.length})`);
    });
}

const numberText = (value: number | string): string =>
  typeof value === "number" ? value.toFixed(4).padStart(8) : value;
