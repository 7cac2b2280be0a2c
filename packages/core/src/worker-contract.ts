import { z } from "zod";
import { digestSchema } from "./digest.ts";
import { batchingSchema, inspectionReportSchema, versionFileSchema } from "./inspection.ts";
import { problemDocumentSchema } from "./problem-document.ts";

/**
 * What the API and a worker say to each other. Both directions carry `Authorization: Bearer {worker token}`.
 *
 * API → worker
 *   POST /v1/infer | /v1/embed | /v1/classify   headers below name the version; body and answer as in REST
 *   POST /v1/inspect                            InspectRequest → InspectResponse
 *   GET  /health/live, /health/ready, /metrics
 * worker → API
 *   GET /internal/contents/{digest}             Content: the files of a version by its digest
 *   GET /internal/blobs/{digest}                bytes
 *   GET /internal/resolve?handle=              HandleMeaning: what is pinned is named by handles
 */
export const WORKER_ROUTES = {
  infer: "/v1/infer",
  embed: "/v1/embed",
  classify: "/v1/classify",
  inspect: "/v1/inspect",
} as const;

/** What the API answers to workers; a digest follows, or a handle in the query. */
export const INTERNAL_ROUTES = {
  contents: "/internal/contents/",
  blobs: "/internal/blobs/",
  resolve: "/internal/resolve",
} as const;

/** Lower case, as Node gives them. */
export const WORKER_HEADERS = {
  /** The version's digest; what a load balancer hashes. */
  digest: "modulehub-digest",
  /** `publisher/name…`, for the answer. */
  module: "modulehub-module",
  /** The version's number, for the answer. */
  version: "modulehub-version",
  /** Opaque name of who calls, for fairness between callers. */
  caller: "modulehub-caller",
  requestId: "x-request-id",
} as const;

/**
 * How long a client waits for its answer, in whole milliseconds: what could not be done by then is refused at once
 * instead of being done in vain.
 */
export const TIMEOUT_HEADER = "modulehub-timeout-ms";

/** The Open Inference Protocol's header: length of the JSON before the tensors' bytes. */
export const BINARY_HEADER = "inference-header-content-length";

/** The files of a version, and what inspection proved about it. */
export const contentSchema = z.object({
  digest: digestSchema,
  files: z.array(versionFileSchema),
  /** By signature; absent before inspection: then nothing is batched. */
  batching: z.record(z.string(), batchingSchema),
});
export type Content = z.infer<typeof contentSchema>;

/** The version that a handle stands for now. */
export const handleMeaningSchema = z.object({ digest: digestSchema });

/** A draft to inspect: its files as they will be, and the digest they will have. */
export const inspectRequestSchema = z.object({ digest: digestSchema, files: z.array(versionFileSchema) });
export type InspectRequest = z.infer<typeof inspectRequestSchema>;

/** `rejected` is the module's fault. What is the world's fault is answered with a 5xx problem instead. */
export const inspectResponseSchema = z.discriminatedUnion("outcome", [
  z.object({ outcome: z.literal("accepted"), report: inspectionReportSchema }),
  z.object({ outcome: z.literal("rejected"), problems: z.array(problemDocumentSchema) }),
]);
export type InspectResponse = z.infer<typeof inspectResponseSchema>;
