import { z } from "zod";
import type { S3Settings } from "./blobs/s3-client.ts";
import { JOB_SETTINGS } from "./jobs/job-settings.ts";
import { SWEEP_TIMES } from "./jobs/sweep.ts";
import { PART_SIZE } from "./publish/uploads.ts";

/** Less would take bytes from under downloads that have just begun, in seconds. */
const LEAST_GRACE = 300;

/** The longest that anything is kept by a setting: a hundred years, in seconds. */
const CENTURY = 3_155_760_000;

/** The longest that a timer of Node's can wait, in whole seconds: of more than 2^31 − 1 ms it makes 1 ms. */
const LONGEST_TIMER = 2_147_483;

/** Every setting of the API. They are read in main.ts, and nowhere else. */
export const settingsSchema = z.object({
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
  MODULEHUB_ADMIN_TOKEN: z
    .string()
    .min(32)
    .optional()
    .describe("The admin token, the same for all replicas; without it one is made, in the data folder."),
  MODULEHUB_S3_BUCKET: z
    .string()
    .min(3)
    .optional()
    .describe("Bucket for blobs, made if it is not there; without it they lie in the data folder."),
  MODULEHUB_S3_ENDPOINT: z.url().optional().describe("S3 server; without it AWS's own of the region."),
  MODULEHUB_S3_PUBLIC_ENDPOINT: z
    .url()
    .optional()
    .describe("The same server as clients reach it, who send parts there; default the one above."),
  MODULEHUB_S3_REGION: z.string().default("us-east-1").describe("Region of the bucket."),
  MODULEHUB_S3_ACCESS_KEY_ID: z
    .string()
    .optional()
    .describe("Who asks the S3 server; without it what AWS's tools find: a role of the machine, a file."),
  MODULEHUB_S3_SECRET_ACCESS_KEY: z.string().optional().describe("The secret of that key."),
  MODULEHUB_S3_PATH_STYLE: z
    .enum(["true", "false"])
    .optional()
    .describe("Whether the bucket is in the path, not in the host; default true with an endpoint."),
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
    .min(LEAST_GRACE)
    .max(CENTURY)
    .default(SWEEP_TIMES.grace)
    .describe("Seconds that bytes stay which nothing refers to any more."),
  MODULEHUB_GC_INTERVAL: z.coerce
    .number()
    .int()
    .min(1)
    .max(86_400)
    .default(SWEEP_TIMES.interval)
    .describe("Seconds between two looks for expired drafts, uploads and bytes."),
  MODULEHUB_JOBS_PER_PUBLISHER: z.coerce
    .number()
    .int()
    .min(1)
    .default(JOB_SETTINGS.perPublisher)
    .describe("Training and evaluation jobs of one publisher that run at once."),
  MODULEHUB_JOBS_QUEUED: z.coerce
    .number()
    .int()
    .min(1)
    .default(JOB_SETTINGS.mostUnderWay)
    .describe("Jobs of one publisher that may be queued or running."),
  MODULEHUB_JOB_SECONDS: z.coerce
    .number()
    .int()
    .min(1)
    .max(LONGEST_TIMER)
    .default(JOB_SETTINGS.mostSeconds)
    .describe("The most seconds that a job may take, 2147483 or fewer, not counting what it waits."),
  MODULEHUB_JOB_RETENTION: z.coerce
    .number()
    .int()
    .min(60)
    .max(CENTURY)
    .default(JOB_SETTINGS.rememberedSeconds)
    .describe("Seconds that a job is told of after its end, and its data set kept."),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url()
    .optional()
    .describe("Collector of traces, by OTLP over HTTP; without it no spans are made."),
  MODULEHUB_LOG_LEVEL: z
    .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
    .default("info")
    .describe("How much is logged."),
});

export type Settings = z.output<typeof settingsSchema>;

/** The bucket that the settings name; undefined where blobs lie in the data folder. */
export function s3Settings(settings: Settings): S3Settings | undefined {
  const bucket = settings.MODULEHUB_S3_BUCKET;
  if (bucket === undefined) return undefined;
  const endpoint = settings.MODULEHUB_S3_ENDPOINT;
  const { MODULEHUB_S3_ACCESS_KEY_ID: accessKeyId, MODULEHUB_S3_SECRET_ACCESS_KEY: secretAccessKey } =
    settings;
  return {
    bucket,
    endpoint,
    publicEndpoint: settings.MODULEHUB_S3_PUBLIC_ENDPOINT,
    region: settings.MODULEHUB_S3_REGION,
    pathStyle: (settings.MODULEHUB_S3_PATH_STYLE ?? String(endpoint !== undefined)) === "true",
    ...(accessKeyId !== undefined &&
      secretAccessKey !== undefined && { credentials: { accessKeyId, secretAccessKey } }),
  };
}

/** Whether database, blobs and the admin token are all elsewhere, so that no data folder is needed. */
export const keepsNothing = (settings: Settings): boolean =>
  settings.MODULEHUB_DATABASE_URL !== undefined &&
  settings.MODULEHUB_S3_BUCKET !== undefined &&
  settings.MODULEHUB_ADMIN_TOKEN !== undefined;
