import type { Command } from "commander";
import { byteText } from "../byte-text.ts";
import { type Context, print } from "../context.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { Progress } from "../progress.ts";
import { yankWarning } from "../yank-warning.ts";

interface DownloadOptions extends HubOptions {
  to: string;
}

export function downloadCommand(context: Context): Command {
  return hubCommand("download", "bring a version's files into a folder, each verified")
    .argument("<handle>", "publisher/name, then nothing, /3, @alias or @sha256:…")
    .requiredOption("--to <folder>", "the folder; files that are there already are not fetched again")
    .action(async (handle: string, options: DownloadOptions) => {
      const hub = await connect(context, options);
      let yanked: { reason: string; at: string } | undefined;
      const progress = new Progress(context.err);
      try {
        for await (const event of hub.download(handle, { to: options.to }))
          switch (event.kind) {
            case "resolved": {
              const missing =
                event.missingBytes === 0 ? "all there" : `${byteText(event.missingBytes)} to fetch`;
              progress.note(`${event.handle}: ${event.files} files, ${missing}`);
              yanked = event.yanked;
              if (yanked) progress.note(yankWarning(event.handle, yanked));
              break;
            }
            case "receiving":
              progress.bytes("Receiving", event.receivedBytes, event.totalBytes, event.path);
              break;
            case "downloaded": {
              progress.clear();
              const { handle, version, digest, folder } = event;
              print(
                context,
                options.json
                  ? JSON.stringify({ handle, version, digest, folder, yanked })
                  : `Downloaded ${handle} to ${folder}  ${digest}`,
              );
            }
          }
      } finally {
        progress.clear();
      }
    });
}
