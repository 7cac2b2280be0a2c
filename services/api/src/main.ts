import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { readSettings, SettingsError } from "@modulehub/settings";
import { openTracing } from "@modulehub/tracing";
import { buildApp } from "./app.ts";
import type { BlobStore } from "./blobs/blob-store.ts";
import { openFilesystemStore } from "./blobs/filesystem-store.ts";
import { connectS3 } from "./blobs/s3-client.ts";
import { createBucket, s3Store } from "./blobs/s3-store.ts";
import { type DatabaseLocation, openDatabase } from "./database/client.ts";
import { lockDataFolder } from "./database/data-lock.ts";
import { migrate } from "./database/migrate.ts";
import { syncFolderPath } from "./durable-folder.ts";
import { connectWorker } from "./gateway/worker-client.ts";
import { adminToken } from "./identity/admin-token.ts";
import { createIdentity } from "./identity/identity.ts";
import { JOB_SETTINGS } from "./jobs/job-settings.ts";
import { makeMissingListings } from "./registry/missing-listings.ts";
import { keepsNothing, type Settings, s3Settings, settingsSchema } from "./settings.ts";

/** How long requests may take to finish once the service is told to stop, in milliseconds. */
const DRAIN = 10_000;

await start().catch((error: unknown) => {
  if (error instanceof SettingsError) {
    process.stderr.write(error.message);
    process.exit(2);
  }
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

async function start(): Promise<void> {
  const settings: Settings = readSettings(settingsSchema, process.env);
  const data = resolve(settings.MODULEHUB_DATA);
  // With everything elsewhere nothing is written here, and replicas share no folder.
  const lock = keepsNothing(settings) ? undefined : lockDataFolder(data);
  const location: DatabaseLocation =
    settings.MODULEHUB_DATABASE_URL === undefined
      ? { kind: "folder", path: resolve(data, "database") }
      : { kind: "postgresql", url: settings.MODULEHUB_DATABASE_URL };
  if (lock !== undefined) await syncFolderPath(data);
  // Nothing that is promised after this would hold; the next start repairs what is on the disk.
  const database = await openDatabase(location, (fault) => {
    process.stderr.write(`${fault.message} ${String(fault.cause)}\n`);
    process.exit(1);
  });
  await migrate(database);
  await makeMissingListings(database);
  const workerToken = settings.MODULEHUB_WORKER_TOKEN ?? randomBytes(32).toString("base64url");
  const worker = connectWorker({ url: settings.MODULEHUB_WORKER_URL, token: workerToken });
  const { store, close: closeStore } = await openStore(settings, data);
  const admin = settings.MODULEHUB_ADMIN_TOKEN ?? (await adminToken(data));
  let url = settings.MODULEHUB_PUBLIC_URL?.replace(/\/+$/, "");
  const app = await buildApp({
    database,
    store,
    worker,
    identity: createIdentity(database, { admin, worker: workerToken }),
    publicUrl: () => url ?? "",
    partSize: settings.MODULEHUB_UPLOAD_PART_SIZE,
    sweep: { grace: settings.MODULEHUB_GC_GRACE, interval: settings.MODULEHUB_GC_INTERVAL },
    jobSettings: {
      ...JOB_SETTINGS,
      perPublisher: settings.MODULEHUB_JOBS_PER_PUBLISHER,
      mostUnderWay: settings.MODULEHUB_JOBS_QUEUED,
      mostSeconds: settings.MODULEHUB_JOB_SECONDS,
      rememberedSeconds: settings.MODULEHUB_JOB_RETENTION,
    },
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
    closeStore();
    await database.close();
    lock?.release();
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

/** The bucket, or the data folder. A bucket whose server can't be reached now is waited for: the hub is not ready. */
async function openStore(settings: Settings, data: string): Promise<{ store: BlobStore; close: () => void }> {
  const s3 = s3Settings(settings);
  if (s3 === undefined) return { store: await openFilesystemStore(data), close: () => undefined };
  const connection = connectS3(s3);
  await createBucket(connection).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`The bucket ${s3.bucket} could not be looked at: ${reason}\n`);
  });
  return { store: s3Store(connection), close: () => connection.close() };
}
