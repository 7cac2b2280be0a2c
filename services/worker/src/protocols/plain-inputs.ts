import { type InputTensor, problem, type TaskRole } from "@modulehub/core";
import type { FastifyRequest } from "fastify";
import type { ThreadPool } from "../preparation/thread-pool.ts";
import { mediaType, THREAD_BYTES } from "./body.ts";
import { checkedTopK, MAX_PLAIN_ITEMS, type PlainInputs, readPlainBody } from "./plain-body.ts";
import type { Opened } from "./request-context.ts";

const IMAGE_TYPES = new Set(["image/jpeg", "image/png", "image/webp"]);

/**
 * Reads JSON with texts or base64 images, one image as the raw body, or several as multipart/form-data.
 * Throws `unsupported-media-type`, `invalid-json`, `invalid-request`, and what reading the body throws.
 */
export async function readPlainInputs(
  request: FastifyRequest,
  threads: ThreadPool,
  body: Opened["body"],
): Promise<PlainInputs> {
  const type = mediaType(request);
  if (IMAGE_TYPES.has(type)) return { items: [await body()], kind: "image", topK: queryTopK(request) };
  if (type === "multipart/form-data") return readMultipart(request, await body());
  if (type !== "application/json")
    throw problem(
      "unsupported-media-type",
      "Send application/json, an image as image/jpeg, image/png or image/webp, or several as multipart/form-data.",
    );
  const bytes = await body();
  return bytes.byteLength > THREAD_BYTES
    ? threads.run("json", { kind: "plain-body", bytes })
    : readPlainBody(bytes);
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
  if (files.length === 0 || files.length > MAX_PLAIN_ITEMS)
    throw problem("invalid-request", `A form needs 1 to ${MAX_PLAIN_ITEMS} files, each an image.`);
  const items = await Promise.all(files.map(async (file) => new Uint8Array(await file.arrayBuffer())));
  const field = form.get("topK");
  return { items, kind: "image", topK: field === null ? queryTopK(request) : checkedTopK(field) };
}

function queryTopK(request: FastifyRequest): number | undefined {
  const { query } = request;
  return typeof query === "object" && query !== null && "topK" in query ? checkedTopK(query.topK) : undefined;
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
