import { type Dimension, type InputTensor, problem, type Signature } from "@modulehub/core";
import { slice } from "../scheduler/axis.ts";
import { checkItemCount } from "../scheduler/work.ts";

/** What of a call is prepared on its own. */
export interface CallItems {
  items: ReadonlyMap<string, InputTensor>[];
  /** Whether each is an item of the batch; otherwise the one of them is the whole call. */
  separate: boolean;
}

/**
 * Texts and images of one call are items on their own: each is prepared alone, so that nothing is padded that the
 * evidence doesn't cover. Tensors stay as they came. Throws `tensor-invalid` where there is no item, `invalid-request`
 * where there are too many.
 */
export function itemsOf(signature: Signature, inputs: ReadonlyMap<string, InputTensor>): CallItems {
  const items = hasPreparingSteps(signature) ? splitInputs(signature, inputs) : undefined;
  return items === undefined ? { items: [inputs], separate: false } : { items, separate: true };
}

/** Whether texts are tokenized or images decoded before the run. */
export const hasPreparingSteps = (signature: Signature): boolean =>
  (signature.steps ?? []).some((step) => "tokenize" in step || "image" in step);

/** A name for the batch that every input begins with; undefined where they don't. */
function batchDimension(signature: Signature): Dimension | undefined {
  const [first, ...others] = Object.values(signature.inputs).map(({ shape }) => shape[0]);
  return typeof first === "string" && others.every((other) => other === first) ? first : undefined;
}

/** The inputs of each item on its own; undefined where the signature has no batch, or nothing was given. */
function splitInputs(
  signature: Signature,
  inputs: ReadonlyMap<string, InputTensor>,
): ReadonlyMap<string, InputTensor>[] | undefined {
  if (batchDimension(signature) === undefined) return undefined;
  const counts = new Set([...inputs.values()].map(({ shape }) => shape[0]));
  const [count] = counts;
  if (counts.size !== 1 || count === undefined) return undefined;
  if (count === 0) throw problem("tensor-invalid", "The inputs are empty; give at least one item.");
  checkItemCount(count);
  return Array.from({ length: count }, (_, index) => {
    const item = new Map<string, InputTensor>();
    for (const [name, tensor] of inputs) item.set(name, rowOf(tensor, index));
    return item;
  });
}

function rowOf(tensor: InputTensor, index: number): InputTensor {
  return tensor.dtype === "image"
    ? { ...tensor, shape: [1], data: tensor.data.slice(index, index + 1) }
    : slice(tensor, 0, index, 1);
}
