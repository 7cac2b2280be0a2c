import { z } from "zod";
import { digestSchema } from "./digest.ts";

/**
 * What inspection found out about a version by loading and running it. Computed by the hub, so it lies
 * outside the version's digest.
 */

/** Feeds and fetches below are those of the `run` step's graph, with the steps after it appended. */
export const batchingSchema = z.union([
  /** Nothing was proven: every request runs alone. */
  z.literal("none"),
  z.object({
    /** Axis along which items of different requests may be joined; `shared` inputs must be equal. */
    inputs: z.record(z.string(), z.union([z.int().min(0), z.literal("shared")])),
    /** Axis along which each output is split again. */
    outputs: z.record(z.string(), z.int().min(0)),
    /** Inputs that may be padded to the longest of a batch, along this axis with this value. */
    pad: z.record(z.string(), z.object({ axis: z.int().min(0), value: z.union([z.number(), z.string()]) })),
  }),
]);
export type Batching = z.infer<typeof batchingSchema>;

const valueInfo = z.object({
  name: z.string(),
  /** A dtype, or the kind of a value that is no tensor, such as `sequence`. */
  type: z.string(),
  shape: z.array(z.union([z.number(), z.string(), z.null()])).nullable(),
});

/** What loading a version and running its examples showed. */
export const inspectionReportSchema = z.object({
  runtime: z.object({
    /** Version of ONNX Runtime. */
    onnxruntime: z.string(),
    executionProvider: z.string(),
  }),
  graphs: z.record(
    z.string(),
    z.object({
      irVersion: z.number(),
      opsets: z.record(z.string(), z.number()),
      producer: z.string(),
      nodes: z.number(),
      parameters: z.number(),
      parameterBytes: z.number(),
      operators: z.record(z.string(), z.number()),
      inputs: z.array(valueInfo),
      outputs: z.array(valueInfo),
    }),
  ),
  signatures: z.record(
    z.string(),
    z.object({
      batching: batchingSchema,
      /** What was tried and seen, a sentence each; the last says why it is `none`, where it is. */
      evidence: z.array(z.string()),
    }),
  ),
  /** Every example of the manifest, in its order, with what came out (cut to the first numbers). */
  examples: z.array(
    z.object({
      signature: z.string(),
      title: z.string().optional(),
      milliseconds: z.number(),
      outputs: z.record(
        z.string(),
        z.object({
          dtype: z.string(),
          shape: z.array(z.number()),
          /** At most the first 64 elements, in JSON form. */
          data: z.array(z.union([z.number(), z.string(), z.boolean()])),
        }),
      ),
    }),
  ),
  load: z.object({
    milliseconds: z.number(),
    /** Most memory that the inspecting process held, in bytes. */
    peakBytes: z.number(),
  }),
});
export type InspectionReport = z.infer<typeof inspectionReportSchema>;

/** A file of a version or draft. */
export const versionFileSchema = z.object({
  path: z.string(),
  size: z.int().min(0),
  digest: digestSchema,
  role: z.enum(["graph", "weights", "asset", "doc"]),
});
export type VersionFile = z.infer<typeof versionFileSchema>;
