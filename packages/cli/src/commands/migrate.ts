import { Command } from "commander";
import type { Context } from "../context.ts";
import { runOperatorCommand } from "../operator-command.ts";

interface MigrateOptions {
  from: string;
  to: string;
  store?: string;
  json?: boolean;
}

export function migrateCommand(context: Context): Command {
  return new Command("migrate")
    .description("take an embedded hub to PostgreSQL, and its bytes to a bucket")
    .requiredOption("--from <folder>", "the data folder of the hub, which is stopped; it stays as it is")
    .requiredOption("--to <url>", "an empty database: postgresql://…")
    .option(
      "--store <place>",
      "where the bytes go: s3://BUCKET or a folder; default: they stay where they are",
    )
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
All but the bucket's name comes from the hub's settings (MODULEHUB_S3_ENDPOINT and so on). Broken off, it can be begun
again, and sends what is missing.`,
    )
    .action(({ from, to, store, json }: MigrateOptions) =>
      runOperatorCommand(context, [
        "migrate",
        ...["--from", from, "--to", to],
        ...(store === undefined ? [] : ["--store", store]),
        ...(json ? ["--json"] : []),
      ]),
    );
}
