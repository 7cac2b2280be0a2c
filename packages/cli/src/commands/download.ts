import type { Command } from "commander";
import { byteText } from "../byte-text.ts";
import { type Context, print } from "../context.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";
import { Progress } from "../progress.ts";

interface DownloadOptions extends HubOptions {
  to: string;
}

export function downloadCommand(context: Context): Command {
  return hubCommand("download", "bring a version's files into a folder, each verified")
    .argument("<handle>", "publisher/name, then nothing, /3, @alias or @sha256:…")
    .requiredOption("--to <folder>", "the folder; files that are there already are not fetched again")
    .action(async (handle: string, options: DownloadOptions) => {
      const hub = await connect(context, options);
      const progress = new Progress(context.err);
      try {
        for await (const event of hub.download(handle, { to: options.to }))
          switch (event.kind) {
            case "resolved": {
              const missing =
                event.missingBytes === 0 ? "all there" : `${byteText(event.missingBytes)} to fetch`;
              progress.note(`${event.handle}: ${event.files} files, ${missing}`);
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
                  ? JSON.stringify({ handle, version, digest, folder })
                  : `Downloaded ${handle} to ${folder}  ${digest}`,
              );
            }
          }
      } finally {
        progress.clear();
      }
    });
}
