import { type InputTensor, type Manifest, problem, tensorFromJson } from "@modulehub/core";
import { checkInputNames, checkOutputNames } from "@modulehub/runtime";
import { z } from "zod";
import { checkJsonBounds } from "./json-bounds.ts";

/** The body of a native `infer`: `{"signature"?, "inputs", "outputs"?}`. */
const bodySchema = z.strictObject({
  signature: z.string().max(512).optional(),
  // Not a record, which would leave out a key `__proto__` in silence.
  inputs: z.custom<Record<string, unknown>>(
    (value) => typeof value === "object" && value !== null && !Array.isArray(value),
    "must be an object of tensors by name",
  ),
  outputs: z.array(z.string().max(512)).min(1).max(256).optional(),
});

/** What a request wants to be run, whichever protocol it came by. */
export interface InferCall {
  signature: string;
  inputs: Map<string, InputTensor>;
  outputs: string[] | undefined;
  /** Labels that are wanted of each item, where not all that the module keeps. */
  topK?: number | undefined;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** JSON in UTF-8. Throws `invalid-json`, and `body-too-large` for what would take too much memory. */
export function parseJson(bytes: Uint8Array): unknown {
  checkJsonBounds(bytes);
  try {
    return JSON.parse(UTF8.decode(bytes));
  } catch (cause) {
    throw problem("invalid-json", "The body is not JSON in UTF-8.", { cause });
  }
}

/** The signature that is called, `default` where none is named. Throws `signature-unknown`. */
export function signatureOf(manifest: Manifest, name: string) {
  const signature = Object.hasOwn(manifest.signatures, name) ? manifest.signatures[name] : undefined;
  if (!signature) {
    const known = Object.keys(manifest.signatures).slice(0, 20).join(", ");
    throw problem("signature-unknown", `The module has these signatures: ${known}.`);
  }
  return signature;
}

/**
 * Reads a native `infer` body against the module's manifest. Throws `invalid-json`, `invalid-request`,
 * `signature-unknown`, `input-unknown`, `input-missing`, `output-unknown`, `tensor-invalid`.
 */
export function readInferBody(bytes: Uint8Array, manifest: Manifest): InferCall {
  const body = bodySchema.safeParse(parseJson(bytes));
  if (!body.success)
    throw problem(
      "invalid-request",
      'The body must be {"signature"?, "inputs": {name: tensor}, "outputs"?}.',
      {
        errors: body.error.issues.slice(0, 10).map(({ path, message }) => ({
          path: path.map(String).join(".").slice(0, 200),
          message: message.slice(0, 200),
        })),
      },
    );
  const { signature = "default", outputs } = body.data;
  const called = signatureOf(manifest, signature);
  checkOutputNames(called, outputs);
  checkInputNames(called, Object.keys(body.data.inputs));
  const inputs = new Map<string, InputTensor>();
  for (const [name, value] of Object.entries(body.data.inputs))
    inputs.set(name, tensorFromJson(value, called.inputs[name]!, `inputs.${name.slice(0, 100)}`));
  return { signature, inputs, outputs };
}
