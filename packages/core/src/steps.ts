import { z } from "zod";
import { isSafeFilePath } from "./file-path.ts";

/** Names of inputs, outputs and tensors between steps; also of graph inputs, so they may hold `:` and `/`. */
export const tensorName = z
  .string()
  .min(1)
  .max(512)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  .regex(/^[^\u0000-\u001f\u007f]+$/, "must not hold control characters")
  .refine((name) => name !== "__proto__", "is not allowed as a name");

/** The path of a file in the module. */
export const filePath = z.string().refine(isSafeFilePath, "must be a relative path inside the module");

const tokenize = z.strictObject({
  from: tensorName,
  /** A `tokenizer.json` of Hugging Face's tokenizers. */
  tokenizer: filePath,
  /** Tokens a text, special ones included; else from sentence_bert_config.json, else from the tokenizer. */
  maxLength: z.int().min(1).max(1_000_000).optional(),
  /** `cut` (the default) keeps the first `maxLength` tokens and says so; `refuse` answers text-too-long. */
  tooLong: z.enum(["cut", "refuse"]).optional(),
  addSpecialTokens: z.boolean().optional(),
  /** Makes `{as}.ids`, `{as}.mask` and `{as}.types`, each int64 [batch, sequence]. */
  as: tensorName,
});

/** A value a channel. */
const channelValues = z.array(z.number()).min(1).max(4);

const image = z.strictObject({
  from: tensorName,
  /** Either the shorter side in pixels, or both sides. Default: the image keeps its size. */
  resize: z
    .union([
      z.strictObject({ shorter: z.int().min(1).max(8192) }),
      z.strictObject({
        width: z.int().min(1).max(8192),
        height: z.int().min(1).max(8192),
        /** `fill` stretches, `cover` fills and cuts, `contain` fits inside and pads with `background`. */
        fit: z.enum(["fill", "cover", "contain"]).optional(),
      }),
    ])
    .optional(),
  interpolation: z.enum(["nearest", "bilinear", "bicubic", "lanczos"]).optional(),
  /** Cut from the centre after resizing. */
  crop: z.strictObject({ width: z.int().min(1).max(8192), height: z.int().min(1).max(8192) }).optional(),
  /** Channels and their order. Default RGB. */
  channels: z.enum(["RGB", "BGR", "gray"]).optional(),
  /** What shows through transparent pixels, 0–255 a channel of RGB. Default white. */
  background: z.tuple([z.number(), z.number(), z.number()]).optional(),
  /** Pixel values 0–255 are multiplied by this. Default 1/255. */
  scale: z.number().optional(),
  /** Then subtracted, a value a channel. Default 0. */
  mean: channelValues.optional(),
  /** Then divided by. Default 1. */
  deviation: z
    .array(z.number().refine((value) => value !== 0, "must not be 0"))
    .min(1)
    .max(4)
    .optional(),
  layout: z.enum(["NCHW", "NHWC"]).optional(),
  dtype: z.enum(["float32", "float16", "uint8"]).optional(),
  /** A tensor of four dimensions in `layout`. */
  as: tensorName,
});

const run = z.strictObject({
  graph: filePath,
  /** Graph input → tensor that is fed. */
  inputs: z.record(tensorName, tensorName),
  /** Graph output → name it is given. */
  outputs: z.record(tensorName, tensorName),
});

const pool = z.strictObject({
  /** [batch, sequence, features]. */
  from: tensorName,
  /** [batch, sequence], 0 where padded. */
  mask: tensorName.optional(),
  mode: z.enum(["mean", "cls", "max"]),
  /** [batch, features]. */
  as: tensorName,
});

/** L2 over the last axis; a row of zeros stays zeros. */
const normalize = z.strictObject({ from: tensorName, as: tensorName });
/** Over the last axis. */
const softmax = z.strictObject({ from: tensorName, as: tensorName });
const sigmoid = z.strictObject({ from: tensorName, as: tensorName });

const labels = z.strictObject({
  /** Scores [batch, classes]. */
  from: tensorName,
  /** A text file, one class a line, in the order of the scores. */
  labels: filePath,
  /** Any number of the labels may hold at once: scores are independent. */
  independent: z.boolean().optional(),
  /** How many are kept, best first. Default: all. */
  topK: z.int().min(1).max(100_000).optional(),
  /** Makes `{as}.labels`, string [batch, k], and `{as}.scores`, float32 [batch, k], best first. */
  as: tensorName,
});

/** One step of a signature: an object whose only key says which. */
export const step = z.union(
  [
    z.strictObject({ tokenize }),
    z.strictObject({ image }),
    z.strictObject({ run }),
    z.strictObject({ pool }),
    z.strictObject({ normalize }),
    z.strictObject({ softmax }),
    z.strictObject({ sigmoid }),
    z.strictObject({ labels }),
  ],
  { error: "must be one step: tokenize, image, run, pool, normalize, softmax, sigmoid or labels" },
);

export type TokenizeStep = z.infer<typeof tokenize>;
export type ImageStep = z.infer<typeof image>;
export type RunStep = z.infer<typeof run>;
export type PoolStep = z.infer<typeof pool>;
export type LabelsStep = z.infer<typeof labels>;
export type ElementwiseStep = z.infer<typeof normalize>;
export type Step = z.infer<typeof step>;

/** The names that a step reads and those that it makes. */
export function stepNames(step: Step): { reads: string[]; makes: string[] } {
  if ("tokenize" in step)
    return {
      reads: [step.tokenize.from],
      makes: ["ids", "mask", "types"].map((field) => `${step.tokenize.as}.${field}`),
    };
  if ("image" in step) return { reads: [step.image.from], makes: [step.image.as] };
  if ("run" in step) return { reads: Object.values(step.run.inputs), makes: Object.values(step.run.outputs) };
  if ("pool" in step)
    return {
      reads: [step.pool.from, ...(step.pool.mask === undefined ? [] : [step.pool.mask])],
      makes: [step.pool.as],
    };
  if ("labels" in step)
    return {
      reads: [step.labels.from],
      makes: [`${step.labels.as}.labels`, `${step.labels.as}.scores`],
    };
  const { from, as } = "normalize" in step ? step.normalize : "softmax" in step ? step.softmax : step.sigmoid;
  return { reads: [from], makes: [as] };
}
