import type { Manifest, TaskRole } from "@modulehub/core";
import type { Module, Prepared } from "@modulehub/runtime";
import { type InferCall, readInferBody, signatureOf } from "../protocols/infer-body.ts";
import { inputFor, readPlainBody } from "../protocols/plain-body.ts";
import { itemsOf } from "./items.ts";

/** How a JSON body says what is to be run: as a native `infer`, or as `embed` and `classify` do. */
export type BodyForm = { kind: "infer" } | { kind: "plain"; role: TaskRole; outputs: string[] };

/** A call whose steps before the run are done. */
export interface PreparedCall {
  signature: string;
  outputs: string[] | undefined;
  prepared: Prepared[];
  /** Whether each is an item of the batch; otherwise the one of them is the whole call. */
  separate: boolean;
  /** Labels that are wanted of each item; undefined for all that the module keeps. */
  topK: number | undefined;
}

/**
 * Reads a body and does the steps before the run, in one go: its texts need not be kept, or handed from one thread to
 * another, in full. Throws what the form's reading throws, and what the steps do.
 */
export async function readCall(
  bytes: Uint8Array,
  form: BodyForm,
  manifest: Manifest,
  module: Module,
): Promise<PreparedCall> {
  const { signature, inputs, outputs, topK } = callIn(bytes, form, manifest);
  const { items, separate } = itemsOf(signatureOf(manifest, signature), inputs);
  const prepared: Prepared[] = [];
  for (const item of items) prepared.push(await module.prepare(signature, item));
  return { signature, outputs, prepared, separate, topK };
}

function callIn(bytes: Uint8Array, form: BodyForm, manifest: Manifest): InferCall {
  if (form.kind === "infer") return readInferBody(bytes, manifest);
  const plain = readPlainBody(bytes);
  const { role, outputs } = form;
  return { signature: role.signature, inputs: inputFor(role, plain), outputs, topK: plain.topK };
}
