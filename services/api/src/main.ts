import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { openTracing } from "@modulehub/tracing";
import { z } from "zod";
import { buildApp } from "./app.ts";
import { openFilesystemStore } from "./blobs/filesystem-store.ts";
import { type DatabaseLocation, openDatabase, TRANSACTION_TIMEOUT } from "./database/client.ts";
import { lockDataFolder } from "./database/data-lock.ts";
import { migrate } from "./database/migrate.ts";
import { syncFolderPath } from "./durable-folder.ts";
import { connectWorker } from "./gateway/worker-client.ts";
import { adminToken } from "./identity/admin-token.ts";
import { createIdentity } from "./identity/identity.ts";
import { SWEEP_TIMES } from "./jobs/sweep.ts";
import { PART_SIZE } from "./publish/uploads.ts";
import { makeMissingListings } from "./registry/missing-listings.ts";

/** Every setting of the API; nothing else reads the environment. */
const settingsSchema = z.object({
  MODULEHUB_HOST: z.string().default("127.0.0.1").describe("Address to listen on."),
  MODULEHUB_PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65535)
    .default(8080)
    .describe("Port; 0 takes a free one."),
  MODULEHUB_DATA: z
    .string()
    .default(".modulehub")
    .describe("Folder for tokens, blobs and the embedded database."),
  MODULEHUB_DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, "must begin with postgres://")
    .optional()
    .describe("PostgreSQL; without it an embedded database in the data folder."),
  MODULEHUB_PUBLIC_URL: z.url().optional().describe("The hub's address as clients know it."),
  MODULEHUB_WORKER_URL: z.url().default("http://127.0.0.1:8090").describe("Address of the workers."),
  MODULEHUB_WORKER_TOKEN: z.string().min(16).optional().describe("Token shared with the workers."),
  MODULEHUB_MAX_INFERENCE_BYTES: z.coerce
    .number()
    .int()
    .min(1024)
    .default(67_108_864)
    .describe("The most bytes of a request for inference."),
  MODULEHUB_UPLOAD_PART_SIZE: z.coerce
    .number()
    .int()
    .min(65_536)
    .max(1_073_741_824)
    .default(PART_SIZE)
    .describe("Bytes of an upload's parts; larger files have larger ones."),
  MODULEHUB_GC_GRACE: z.coerce
    .number()
    .int()
    .min(2 * TRANSACTION_TIMEOUT)
    .default(SWEEP_TIMES.grace)
    .describe("Seconds that bytes stay which nothing refers to any more."),
  MODULEHUB_GC_INTERVAL: z.coerce
    .number()
    .int()
    .min(1)
    .max(86_400)
    .default(SWEEP_TIMES.interval)
    .describe("Seconds between two looks for expired drafts, uploads and bytes."),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url()
    .optional()
    .describe("Collector of traces, by OTLP over HTTP; without it no spans are made."),
  MODULEHUB_LOG_LEVEL: z
    .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
    .default("info")
    .describe("How much is logged."),
});

/** How long requests may take to finish once the service is told to stop, in milliseconds. */
const DRAIN = 10_000;

const parsed = settingsSchema.safeParse(process.env);
if (!parsed.success) {
  const lines = parsed.error.issues.map((issue) => `  ${issue.path.join(".")}: ${issue.message}`);
  const help = Object.entries(settingsSchema.shape).map(([name, field]) => `  ${name}  ${field.description}`);
  process.stderr.write(`Settings that do not fit:\n${lines.join("\n")}\n\nSettings:\n${help.join("\n")}\n`);
  process.exit(2);
}
await main(parsed.data).catch((error: unknown) => {
  process.stderr.write(
    `The API could not start: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exit(1);
});

/**
 * Where the log goes. When nobody reads it any more, it is lost, and nothing else: pino's own stream would try again
 * at the exit, for ever.
 */
function standardOutput(): NodeJS.WritableStream {
  return process.stdout.on("error", () => undefined);
}

async function main(settings: z.infer<typeof settingsSchema>): Promise<void> {
  const data = resolve(settings.MODULEHUB_DATA);
  const lock = lockDataFolder(data);
  const location: DatabaseLocation =
    settings.MODULEHUB_DATABASE_URL === undefined
      ? { kind: "folder", path: resolve(data, "database") }
      : { kind: "postgresql", url: settings.MODULEHUB_DATABASE_URL };
  await syncFolderPath(data);
  // Nothing that is promised after this would hold; the next start repairs what is on the disk.
  const database = await openDatabase(location, (fault) => {
    process.stderr.write(`${fault.message} ${String(fault.cause)}\n`);
    process.exit(1);
  });
  await migrate(database);
  await makeMissingListings(database);
  const workerToken = settings.MODULEHUB_WORKER_TOKEN ?? randomBytes(32).toString("base64url");
  const worker = connectWorker({ url: settings.MODULEHUB_WORKER_URL, token: workerToken });
  let url = settings.MODULEHUB_PUBLIC_URL?.replace(/\/+$/, "");
  const app = await buildApp({
    database,
    store: await openFilesystemStore(data),
    worker,
    identity: createIdentity(database, { admin: await adminToken(data), worker: workerToken }),
    publicUrl: () => url ?? "",
    partSize: settings.MODULEHUB_UPLOAD_PART_SIZE,
    sweep: { grace: settings.MODULEHUB_GC_GRACE, interval: settings.MODULEHUB_GC_INTERVAL },
    maxInferenceBytes: settings.MODULEHUB_MAX_INFERENCE_BYTES,
    logLevel: settings.MODULEHUB_LOG_LEVEL,
    logStream: standardOutput(),
    tracing: await openTracing("modulehub-api", settings.OTEL_EXPORTER_OTLP_ENDPOINT),
  });

  let stopping = false;
  const stop = async () => {
    if (stopping) return;
    stopping = true;
    const force = setTimeout(() => app.server.closeAllConnections(), DRAIN);
    await app.close();
    clearTimeout(force);
    await worker.close();
    await database.close();
    lock.release();
    process.exit(0);
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  // Started by `modulehub serve`: when that is gone, nobody would stop this process.
  process.once("disconnect", stop);

  const address = await app.listen({ host: settings.MODULEHUB_HOST, port: settings.MODULEHUB_PORT });
  url ??= address;
  process.send?.({ kind: "listening", url: address });
}
