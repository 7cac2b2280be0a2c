import { z } from "zod";
import { DTYPE_NAMES } from "./dtype.ts";
import { isSafeFilePath } from "./file-path.ts";
import { type FieldError, problem } from "./problem.ts";

/**
 * `module.json`: how a module is used. A published manifest never changes, so this form is only ever added
 * to. What a module is about (title, licence, …) is not here but in the front matter of its README.md.
 */

/** The largest module.json that is read, in bytes. */
export const MAX_MANIFEST_BYTES = 1_048_576;

/** Names of inputs, outputs and tensors between steps; also of graph inputs, so they may hold `:` and `/`. */
const tensorName = z
  .string()
  .min(1)
  .max(512)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  .regex(/^[^\u0000-\u001f\u007f]+$/, "must not hold control characters")
  .refine((name) => name !== "__proto__", "is not allowed as a name");

const filePath = z.string().refine(isSafeFilePath, "must be a relative path inside the module");

/** A number, or the name of a dimension that is known only when the module runs, such as `batch`. */
const dimension = z.union([
  z.int().min(0),
  z.string().regex(/^[A-Za-z_][\w.-]{0,127}$/, "must be a number from 0 up, or a name"),
]);
export type Dimension = z.infer<typeof dimension>;

const tensorSpec = z.strictObject({
  /** ONNX Runtime's name, or `image`: an encoded JPEG, PNG or WebP file an element. */
  dtype: z.enum([...DTYPE_NAMES, "image"]),
  shape: z.array(dimension).max(32),
  /** Strings only: words (separated by white space) beyond this number are cut, and the answer says so. */
  maxWords: z.int().min(1).max(1_000_000).optional(),
  description: z.string().max(2000).optional(),
});
export type TensorSpec = z.infer<typeof tensorSpec>;

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

const step = z.union([
  z.strictObject({ tokenize }),
  z.strictObject({ image }),
  z.strictObject({ run }),
  z.strictObject({ pool }),
  z.strictObject({ normalize }),
  z.strictObject({ softmax }),
  z.strictObject({ sigmoid }),
  z.strictObject({ labels }),
]);

export type TokenizeStep = z.infer<typeof tokenize>;
export type ImageStep = z.infer<typeof image>;
export type RunStep = z.infer<typeof run>;
export type PoolStep = z.infer<typeof pool>;
export type LabelsStep = z.infer<typeof labels>;
export type ElementwiseStep = z.infer<typeof normalize>;
export type Step = z.infer<typeof step>;

const signature = z
  .strictObject({
    description: z.string().max(2000).optional(),
    inputs: z.record(tensorName, tensorSpec),
    outputs: z.record(tensorName, tensorSpec),
    /** Only without `steps`: the graph whose own inputs and outputs these are. Default `model.onnx`. */
    graph: filePath.optional(),
    steps: z.array(step).min(1).max(64).optional(),
  })
  .check((context) => {
    for (const message of signatureFaults(context.value))
      context.issues.push({ code: "custom", message, input: context.value });
  });

/** One way of using a module: named and typed inputs and outputs, and the steps between them. */
export type Signature = z.infer<typeof signature>;

const example = z.strictObject({
  title: z.string().max(200).optional(),
  signature: tensorName.default("default"),
  /** As in `infer`; an image may also be `{"file": path}`, a file of the module. */
  inputs: z.record(tensorName, z.json()),
});
export type Example = z.infer<typeof example>;

export const manifestSchema = z.strictObject({
  schemaVersion: z.literal(1),
  /** What the module is for, such as `text-embedding`; decides which endpoints it has besides `infer`. */
  task: z
    .string()
    .max(64)
    .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, "must be lower-case words joined by dashes"),
  signatures: z
    .record(tensorName, signature)
    .refine((signatures) => Object.keys(signatures).length > 0, "must name at least one signature"),
  examples: z.array(example).max(32).optional(),
});

/** `module.json` as an object. */
export type Manifest = z.infer<typeof manifestSchema>;

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

/** What is wrong with how a signature's steps are wired, a sentence each. */
function signatureFaults(signature: {
  inputs: Record<string, TensorSpec>;
  outputs: Record<string, TensorSpec>;
  graph?: string | undefined;
  steps?: Step[] | undefined;
}): string[] {
  const faults: string[] = [];
  if (Object.keys(signature.inputs).length === 0) faults.push("A signature needs at least one input.");
  if (Object.keys(signature.outputs).length === 0) faults.push("A signature needs at least one output.");
  for (const [name, spec] of Object.entries(signature.outputs))
    if (spec.dtype === "image") faults.push(`Output ${name} can't be an image.`);
  if (signature.steps === undefined) {
    for (const [name, spec] of Object.entries(signature.inputs))
      if (spec.dtype === "image") faults.push(`Input ${name} is an image, which needs an image step.`);
    return faults;
  }
  if (signature.graph !== undefined) faults.push("graph is only for signatures without steps.");
  const known = new Set(Object.keys(signature.inputs));
  let runs = 0;
  for (const [index, step] of signature.steps.entries()) {
    const { reads, makes } = stepNames(step);
    for (const name of reads)
      if (!known.has(name)) faults.push(`Step ${index} reads ${name}, which nothing before it makes.`);
    for (const name of makes) {
      if (known.has(name)) faults.push(`Step ${index} makes ${name}, which exists already.`);
      known.add(name);
    }
    if ("run" in step) runs += 1;
    const preparing = "tokenize" in step || "image" in step;
    if (preparing && runs > 0) faults.push(`Step ${index} must come before the run step.`);
    if (!preparing && !("run" in step) && runs === 0)
      faults.push(`Step ${index} must come after the run step.`);
  }
  if (runs !== 1) faults.push(`A signature has exactly one run step, not ${runs}.`);
  for (const name of Object.keys(signature.outputs))
    if (!known.has(name)) faults.push(`Output ${name} is made by no step.`);
  return faults;
}

/** The graph file that a signature runs. */
export function graphPath(signature: Signature): string {
  return runStep(signature).graph;
}

/** The run step of a signature; for one without steps, the step that its graph's own names amount to. */
export function runStep(signature: Signature): RunStep {
  for (const step of signature.steps ?? []) if ("run" in step) return step.run;
  const same = (names: Record<string, TensorSpec>) =>
    Object.fromEntries(Object.keys(names).map((name) => [name, name]));
  return {
    graph: signature.graph ?? "model.onnx",
    inputs: same(signature.inputs),
    outputs: same(signature.outputs),
  };
}

/** The asset files that a signature's steps read. */
export function assetPaths(signature: Signature): string[] {
  return (signature.steps ?? []).flatMap((step) => {
    if ("tokenize" in step) return [step.tokenize.tokenizer];
    if ("labels" in step) return [step.labels.labels];
    return [];
  });
}

/** Every file that a manifest uses: graphs, assets of steps, files of examples, and `module.json` itself. */
export function manifestPaths(manifest: Manifest): Set<string> {
  const paths = new Set(["module.json"]);
  for (const signature of Object.values(manifest.signatures)) {
    paths.add(graphPath(signature));
    for (const path of assetPaths(signature)) paths.add(path);
  }
  for (const example of manifest.examples ?? [])
    for (const value of Object.values(example.inputs))
      for (const path of exampleFiles(value)) paths.add(path);
  return paths;
}

/** The files that an example's input names as `{"file": path}`, also inside a list. */
function exampleFiles(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(exampleFiles);
  if (typeof value === "object" && value !== null && "file" in value && typeof value.file === "string")
    return [value.file];
  return [];
}

/**
 * Reads the bytes of a `module.json`. Throws `manifest-invalid` with the faults and their places: bytes that
 * are not UTF-8 or JSON, too many of them, a key `__proto__`, or a form that the schema does not know.
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  if (bytes.byteLength > MAX_MANIFEST_BYTES)
    throw problem("manifest-invalid", `module.json has more than ${MAX_MANIFEST_BYTES} bytes.`);
  let value: unknown;
  let forbiddenKey = false;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes), (key, inner: unknown) => {
      if (key === "__proto__") forbiddenKey = true;
      return inner;
    });
  } catch (cause) {
    throw problem("manifest-invalid", "module.json is not JSON in UTF-8.", { cause });
  }
  if (forbiddenKey) throw problem("manifest-invalid", "module.json holds the key __proto__; rename it.");
  const result = manifestSchema.safeParse(value);
  if (!result.success)
    throw problem("manifest-invalid", "module.json does not fit the schema of manifests.", {
      errors: fieldErrors(result.error.issues),
    });
  return result.data;
}

/** zod's issues as the field errors of a problem document, the first 20 of them. */
export function fieldErrors(issues: readonly { path: PropertyKey[]; message: string }[]): FieldError[] {
  return issues.slice(0, 20).map(({ path, message }) => ({
    path: path
      .map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part).slice(0, 100)}`))
      .join("")
      .replace(/^\./, ""),
    message: message.slice(0, 500),
  }));
}
