import {
  classificationOutput,
  embeddingOutput,
  type InspectionReport,
  type Manifest,
  ProblemError,
  type TaskRole,
} from "@modulehub/core";

/** The operation through which people meet a module: `embed` or `classify` where it has one, else `infer`. */
export type PlainOperation =
  | { kind: "embed"; role: TaskRole & { output: string } }
  | { kind: "classify"; role: TaskRole & { labels: string; scores: string } }
  | { kind: "infer" };

/** Tells which operation a module offers besides `infer`. */
export function plainOperation(manifest: Manifest): PlainOperation {
  try {
    return { kind: "embed", role: embeddingOutput(manifest) };
  } catch (error) {
    if (!isMismatch(error)) throw error;
  }
  try {
    return { kind: "classify", role: classificationOutput(manifest) };
  } catch (error) {
    if (!isMismatch(error)) throw error;
  }
  return { kind: "infer" };
}

const isMismatch = (error: unknown): boolean =>
  error instanceof ProblemError && error.code === "task-mismatch";

/** A call that was made when the version was published, and what came out. */
export type ExampleCall = { title: string | undefined } & (
  | {
      /** JSON to `infer`; files in `inputs` stand as `{"file": path}`. */
      form: "infer";
      signature: string;
      inputs: Record<string, unknown>;
      outputs: Outputs;
    }
  | { form: "embed-file"; file: string; embedding: Element[]; width: number }
  | { form: "classify-file"; file: string; topK: number; results: { label: string; score: number }[] }
);

type Element = number | string | boolean;
export type Outputs = InspectionReport["examples"][number]["outputs"];

/** An example longer than this, as JSON, is no good snippet. */
const MAX_EXAMPLE = 2_000;
const TOP_K = 5;

/**
 * The first example of the manifest that ran when the version was published and is short enough to read,
 * as the call that a snippet makes; undefined where there is none.
 */
export function exampleCall(manifest: Manifest, report: InspectionReport): ExampleCall | undefined {
  for (const [index, example] of (manifest.examples ?? []).entries()) {
    const ran = report.examples[index];
    if (!ran || JSON.stringify(example.inputs).length > MAX_EXAMPLE) continue;
    const { signature, inputs, title } = example;
    return (
      fileCall(manifest, { signature, inputs }, ran.outputs, title) ?? {
        form: "infer",
        title,
        signature,
        inputs,
        outputs: ran.outputs,
      }
    );
  }
  return undefined;
}

/** The call with a file as the request's body, where the example is one picture for `embed` or `classify`. */
function fileCall(
  manifest: Manifest,
  { signature, inputs }: { signature: string; inputs: Record<string, unknown> },
  outputs: Outputs,
  title: string | undefined,
): ExampleCall | undefined {
  const operation = plainOperation(manifest);
  if (operation.kind === "infer") return undefined;
  const { role } = operation;
  const file = onlyFile(inputs[role.input]);
  if (file === undefined || role.signature !== signature || !isPicture(file)) return undefined;
  if (operation.kind === "embed") {
    const embedding = outputs[operation.role.output];
    return (
      embedding && {
        form: "embed-file",
        title,
        file,
        embedding: embedding.data,
        width: embedding.shape[1] ?? 0,
      }
    );
  }
  const labels = outputs[operation.role.labels];
  const scores = outputs[operation.role.scores];
  if (!labels || !scores) return undefined;
  const count = Math.min(TOP_K, labels.shape[1] ?? 0, labels.data.length, scores.data.length);
  const results = Array.from({ length: count }, (_, rank) => ({
    label: String(labels.data[rank]),
    score: Number(scores.data[rank]),
  }));
  return { form: "classify-file", title, file, topK: TOP_K, results };
}

/** The picture formats that a request's body may be, by a file's ending. */
const PICTURES: Record<string, string> = {
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  png: "image/png",
  webp: "image/webp",
};

/** The media type of a picture, by its name. */
export const pictureType = (path: string): string =>
  PICTURES[path.slice(path.lastIndexOf(".") + 1).toLowerCase()] ?? "application/octet-stream";

const isPicture = (path: string): boolean => pictureType(path) !== "application/octet-stream";

/** The path of `{"file": path}`. */
export function fileOf(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, "file")) return undefined;
  return "file" in value && typeof value.file === "string" ? value.file : undefined;
}

function onlyFile(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.length === 1 ? fileOf(value[0]) : undefined;
  return fileOf(value);
}
