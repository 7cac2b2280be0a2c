import { problem, type TaskRole } from "@modulehub/core";
import type { FastifyRequest } from "fastify";
import type { Inference, InferResult } from "../inference.ts";
import type { ModuleLease } from "../modules/module-cache.ts";
import type { Submission } from "../scheduler/scheduler.ts";
import { MAX_ITEMS } from "../scheduler/work.ts";
import { isLarge, mediaType } from "./body.ts";
import { checkedTopK, inputFor, type PlainInputs, readPlainBody } from "./plain-body.ts";
import type { Opened } from "./request-context.ts";

const IMAGE_TYPES = new Set(["image/jpeg", "image/png", "image/webp"]);

/** Inputs that were read, or a JSON body that takes too long to be read between other requests. */
export type GivenInputs = PlainInputs | { kind: "large"; bytes: Buffer<ArrayBuffer> };

/**
 * Reads JSON with texts or base64 images, one image as the raw body, or several as multipart/form-data.
 * Throws `unsupported-media-type`, `invalid-json`, `invalid-request`, and what reading the body throws.
 */
export async function readPlainInputs(request: FastifyRequest, body: Opened["body"]): Promise<GivenInputs> {
  const type = mediaType(request);
  if (IMAGE_TYPES.has(type)) return { items: [await body()], kind: "image", topK: queryTopK(request) };
  if (type === "multipart/form-data") return readMultipart(request, await body());
  if (type !== "application/json")
    throw problem(
      "unsupported-media-type",
      "Send application/json, an image as image/jpeg, image/png or image/webp, or several as multipart/form-data.",
    );
  const bytes = await body();
  return isLarge(bytes) ? { kind: "large", bytes } : readPlainBody(bytes);
}

/** Runs a module's task on them. Throws what inference does, and what the reading of a large body throws. */
export async function inferPlain(
  inference: Inference,
  lease: ModuleLease,
  given: GivenInputs,
  task: { role: TaskRole; outputs: string[] },
  submission: Submission,
): Promise<InferResult> {
  if (given.kind === "large")
    return inference.inferBody(lease, { kind: "plain", ...task }, given.bytes, submission);
  const { role, outputs } = task;
  const call = { signature: role.signature, inputs: inputFor(role, given), outputs, topK: given.topK };
  return inference.infer(lease, call, submission);
}

/** The images of a form, in its order, under whatever names; a field `topK` may be among them. */
async function readMultipart(request: FastifyRequest, body: Buffer<ArrayBuffer>): Promise<PlainInputs> {
  const type = request.headers["content-type"] ?? "";
  let form: FormData;
  try {
    form = await new Response(body, { headers: { "content-type": type } }).formData();
  } catch (cause) {
    throw problem("invalid-request", "The body is not the multipart/form-data that its header says.", {
      cause,
    });
  }
  const files = [...form.values()].filter((value) => typeof value !== "string");
  if (files.length === 0 || files.length > MAX_ITEMS)
    throw problem("invalid-request", `A form needs 1 to ${MAX_ITEMS} files, each an image.`);
  const items = await Promise.all(files.map(async (file) => new Uint8Array(await file.arrayBuffer())));
  const field = form.get("topK");
  return { items, kind: "image", topK: field === null ? queryTopK(request) : checkedTopK(field) };
}

function queryTopK(request: FastifyRequest): number | undefined {
  const { query } = request;
  return typeof query === "object" && query !== null && "topK" in query ? checkedTopK(query.topK) : undefined;
}
