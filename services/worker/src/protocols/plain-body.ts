import { type InputTensor, problem, type TaskRole } from "@modulehub/core";
import { z } from "zod";
import { MAX_ITEMS } from "../scheduler/work.ts";
import { parseJson } from "./infer-body.ts";

/** The inputs of `embed` and `classify`, which need no knowledge of tensors: texts or images. */
export type PlainInputs = { topK: number | undefined } & (
  | { kind: "string"; items: string[] }
  | { kind: "image"; items: Uint8Array[] }
);

const topK = z.coerce.number().int().min(1).max(100_000);
const picture = z.strictObject({ b64: z.string().min(1) });
const bodySchema = z.strictObject({
  inputs: z.union([
    z.string(),
    z.array(z.string()).min(1).max(MAX_ITEMS),
    picture,
    z.array(picture).min(1).max(MAX_ITEMS),
  ]),
  topK: topK.optional(),
});

/** Reads a JSON body of `embed` or `classify`. Throws `invalid-json`, `invalid-request`, `image-invalid`. */
export function readPlainBody(bytes: Uint8Array): PlainInputs {
  const parsed = bodySchema.safeParse(parseJson(bytes));
  if (!parsed.success)
    throw problem(
      "invalid-request",
      `The body must be {"inputs": text, list of texts, {"b64"} or list of {"b64"}, "topK"?}, with 1 to ${MAX_ITEMS} inputs.`,
    );
  const list = Array.isArray(parsed.data.inputs) ? parsed.data.inputs : [parsed.data.inputs];
  const texts = list.filter((item) => typeof item === "string");
  if (texts.length > 0) {
    checkTexts(texts);
    return { items: texts, kind: "string", topK: parsed.data.topK };
  }
  const images = list.flatMap((item) => (typeof item === "string" ? [] : [decoded(item.b64)]));
  return { items: images, kind: "image", topK: parsed.data.topK };
}

/** The role's one input as a tensor of these items. Throws `task-mismatch` for texts where it takes images. */
export function inputFor(role: TaskRole, inputs: PlainInputs): Map<string, InputTensor> {
  if ((inputs.kind === "image") !== (role.takes === "image"))
    throw problem("task-mismatch", `The module takes ${role.takes === "image" ? "images" : "texts"}.`);
  const shape = [inputs.items.length];
  const tensor: InputTensor =
    inputs.kind === "image"
      ? { dtype: "image", shape, data: inputs.items }
      : { dtype: "string", shape, data: inputs.items };
  return new Map([[role.input, tensor]]);
}

/** What a form's field or a query says of topK. Throws `invalid-request`. */
export function checkedTopK(value: unknown): number {
  const parsed = topK.safeParse(value);
  if (!parsed.success) throw problem("invalid-request", "topK must be an integer from 1 up.");
  return parsed.data;
}

/** The rules that texts in tensors follow too: whole characters, and no NUL, where the runtime would cut. */
function checkTexts(texts: readonly string[]): void {
  for (const [index, text] of texts.entries())
    if (text.includes("\0") || !text.isWellFormed())
      throw problem("tensor-invalid", `inputs[${index}] holds a NUL character or half of a surrogate pair.`);
}

function decoded(base64: string): Uint8Array {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(base64)) throw problem("image-invalid", "An image is not base64.");
  return Buffer.from(base64, "base64");
}
