import { type LabelsStep, problem, type Tensor, type TensorOf } from "@modulehub/core";

/** The largest labels file that is read, in bytes, and the most lines and longest line that it may have. */
export const MAX_LABELS_BYTES = 16 * 1024 * 1024;
const MAX_LABELS = 1_000_000;
const MAX_LABEL_LENGTH = 1000;

/** The classes of a labels file, one a line; an empty line at the end is none. Throws `asset-invalid`. */
export function parseLabels(bytes: Uint8Array): string[] {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw problem("asset-invalid", "The labels file is not text in UTF-8.", { cause });
  }
  const lines = text.split(/\r?\n/, MAX_LABELS + 2);
  if (lines.at(-1) === "") lines.pop();
  if (lines.length === 0)
    throw problem("asset-invalid", "The labels file is empty; put one class on a line.");
  if (lines.length > MAX_LABELS)
    throw problem("asset-invalid", `The labels file has more than ${MAX_LABELS} lines.`);
  const long = lines.findIndex((line) => line.length > MAX_LABEL_LENGTH);
  if (long >= 0)
    throw problem(
      "asset-invalid",
      `Line ${long + 1} of the labels file has more than ${MAX_LABEL_LENGTH} characters.`,
    );
  if (text.includes("\0")) throw problem("asset-invalid", "The labels file holds a NUL character.");
  return lines;
}

/**
 * The labels step: scores [batch, classes] → labels, string [batch, k], and scores, float32 [batch, k], best
 * first, equal ones in the order of the classes, NaN last. Throws `manifest-mismatch` where the scores are not
 * such a tensor or there are more or fewer labels than classes.
 */
export function topLabels(
  step: LabelsStep,
  labels: readonly string[],
  input: Tensor,
): { labels: TensorOf<"string">; scores: TensorOf<"float32"> } {
  const scores = floats(input);
  const [batch, classes] = input.shape;
  if (!scores || batch === undefined || classes === undefined || input.shape.length !== 2)
    throw problem(
      "manifest-mismatch",
      `labels reads ${step.from}, which must be float [batch, classes], not ${input.dtype} [${input.shape}].`,
    );
  if (classes !== labels.length)
    throw problem(
      "manifest-mismatch",
      `The labels file has ${labels.length} lines, but ${step.from} has ${classes} classes.`,
    );
  const kept = Math.min(step.topK ?? classes, classes);
  const named = new Array<string>(batch * kept);
  const best = new Float32Array(batch * kept);
  for (let item = 0; item < batch; item++) {
    const row = scores.subarray(item * classes, (item + 1) * classes);
    for (const [rank, index] of ranked(row, kept).entries()) {
      named[item * kept + rank] = labels[index]!;
      best[item * kept + rank] = row[index]!;
    }
  }
  const shape = () => [batch, kept];
  return {
    labels: { dtype: "string", shape: shape(), data: named },
    scores: { dtype: "float32", shape: shape(), data: best },
  };
}

type Scores = Float32Array | Float64Array | Float16Array;

/** Indices of the best, best score first; equal scores by index, NaN last. */
function ranked(scores: Scores, kept: number): Uint32Array {
  const indices = kept < scores.length ? bestOf(scores, kept) : Uint32Array.from(scores.keys());
  return indices.sort((a, b) => (isBefore(scores, a, b) ? -1 : 1));
}

/** Whether one of two classes comes before the other. */
function isBefore(scores: Scores, a: number, b: number): boolean {
  const [first, second] = [scores[a]!, scores[b]!];
  if (first > second) return true;
  if (first < second) return false;
  const nan = Number(Number.isNaN(first)) - Number(Number.isNaN(second));
  return nan === 0 ? a < b : nan < 0;
}

/**
 * Indices of the best, in no order: one pass over the scores with a heap of those kept so far, the last of them on top,
 * as most classes of many are compared with that one alone.
 */
function bestOf(scores: Scores, kept: number): Uint32Array {
  const heap = Uint32Array.from({ length: kept }, (_, index) => index);
  const sink = (from: number) => {
    const index = heap[from]!;
    let at = from;
    for (let child = 2 * at + 1; child < kept; child = 2 * at + 1) {
      if (child + 1 < kept && isBefore(scores, heap[child]!, heap[child + 1]!)) child += 1;
      if (!isBefore(scores, index, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = index;
  };
  for (let at = (kept >> 1) - 1; at >= 0; at--) sink(at);
  for (let index = kept; index < scores.length; index++)
    if (isBefore(scores, index, heap[0]!)) {
      heap[0] = index;
      sink(0);
    }
  return heap;
}

function floats(tensor: Tensor): Scores | undefined {
  if (tensor.dtype === "float32" || tensor.dtype === "float64") return tensor.data;
  if (tensor.dtype !== "float16") return undefined;
  const { buffer, byteOffset, length } = tensor.data;
  return new Float16Array(buffer, byteOffset, length);
}
