import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { endInOrder } from "@modulehub/service-end";
import { readSettings, SettingsError } from "@modulehub/settings";
import { openTracing } from "@modulehub/tracing";
import { buildApp } from "./app.ts";
import { openStore } from "./blobs/open-store.ts";
import { type DatabaseLocation, openDatabase } from "./database/client.ts";
import { lockDataFolder } from "./database/data-lock.ts";
import { migrate } from "./database/migrate.ts";
import { syncFolderPath } from "./durable-folder.ts";
import { connectWorker } from "./gateway/worker-client.ts";
import { adminToken } from "./identity/admin-token.ts";
import { createIdentity } from "./identity/identity.ts";
import { JOB_SETTINGS } from "./jobs/job-settings.ts";
import { makeMissingListings } from "./registry/missing-listings.ts";
import { keepsNothing, type Settings, settingsSchema } from "./settings.ts";

/** How long requests may take to finish once the service is told to stop, in milliseconds. */
const DRAIN = 10_000;

/** How long all of the end may take: a database that does not answer, say, must not keep the process for ever. */
const LAST = 13_000;

await run().catch((error: unknown) => {
  if (error instanceof SettingsError) {
    process.stderr.write(error.message);
    process.exit(2);
  }
  const [command] = process.argv.slice(2);
  const what = command === undefined ? "The API could not start" : `modulehub ${command}`;
  process.stderr.write(`${what}: ${error instanceof Error ? error.message : String(error)}\n`);
  // 1 is what fsck says of faults that it found.
  process.exit(command === undefined ? 1 : 2);
});

/**
 * Where the log goes. When nobody reads it any more, it is lost, and nothing else: pino's own stream would try again
 * at the exit, for ever.
 */
function standardOutput(): NodeJS.WritableStream {
  return process.stdout.on("error", () => undefined);
}

/** The hub, or what an operator does to one: `main.ts fsck …`, `main.ts migrate …`. */
async function run(): Promise<void> {
  const settings: Settings = readSettings(settingsSchema, process.env);
  const [command, ...args] = process.argv.slice(2);
  switch (command) {
    case undefined:
      return start(settings);
    case "fsck": {
      const { fsck } = await import("./consistency/command.ts");
      process.exitCode = await fsck(args, settings);
      return;
    }
    case "migrate": {
      const { moveHub } = await import("./move/command.ts");
      process.exitCode = await moveHub(args, settings);
      return;
    }
    default:
      throw new Error(`There is no command ${command}.`);
  }
}

async function start(settings: Settings): Promise<void> {
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

  endInOrder({
    async close() {
      const force = setTimeout(() => app.server.closeAllConnections(), DRAIN);
      await app.close();
      clearTimeout(force);
      await worker.close();
      closeStore();
      await database.close();
      lock?.release();
    },
    lastMs: LAST,
    late: () => void process.stderr.write(`The API did not end within ${LAST / 1000} s, and is ended now.\n`),
    failed: (error) => app.log.fatal({ err: error }, "the API could not close in order, and is ended now"),
  });

  const address = await app.listen({ host: settings.MODULEHUB_HOST, port: settings.MODULEHUB_PORT });
  url ??= address;
  process.send?.({ kind: "listening", url: address });
}
