import { type InputTensor, problem } from "@modulehub/core";
import type { Role } from "@modulehub/runtime";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import type { ThreadPool } from "../preparation/thread-pool.ts";
import { jsonBody, mediaType, readBody } from "./body.ts";

/** The inputs of `embed` and `classify`, which need no knowledge of tensors: texts or images. */
export interface PlainInputs {
  items: string[] | Uint8Array[];
  kind: "string" | "image";
  topK: number | undefined;
}

/** Items that one request may have. */
const MAX_ITEMS = 4096;

const IMAGE_TYPES = new Set(["image/jpeg", "image/png", "image/webp"]);

const picture = z.strictObject({ b64: z.string().min(1) });
const topK = z.coerce.number().int().min(1).max(100_000);
const bodySchema = z.strictObject({
  inputs: z.union([
    z.string(),
    z.array(z.string()).min(1).max(MAX_ITEMS),
    picture,
    z.array(picture).min(1).max(MAX_ITEMS),
  ]),
  topK: topK.optional(),
});

/**
 * Reads JSON with texts or base64 images, one image as the raw body, or several as multipart/form-data.
 * Throws `unsupported-media-type`, `body-too-large`, `invalid-json`, `invalid-request`.
 */
export async function readPlainInputs(
  request: FastifyRequest,
  threads: ThreadPool,
  maxBodyBytes: number,
): Promise<PlainInputs> {
  const type = mediaType(request);
  if (IMAGE_TYPES.has(type))
    return { items: [await readBody(request, maxBodyBytes)], kind: "image", topK: queryTopK(request) };
  if (type === "multipart/form-data") return readMultipart(request, await readBody(request, maxBodyBytes));
  if (type !== "application/json")
    throw problem(
      "unsupported-media-type",
      "Send application/json, an image as image/jpeg, image/png or image/webp, or several as multipart/form-data.",
    );
  const parsed = bodySchema.safeParse(await jsonBody(await readBody(request, maxBodyBytes), threads));
  if (!parsed.success)
    throw problem(
      "invalid-request",
      `The body must be {"inputs": text, list of texts, {"b64"} or list of {"b64"}, "topK"?}, with at most ${MAX_ITEMS} inputs.`,
    );
  const list = Array.isArray(parsed.data.inputs) ? parsed.data.inputs : [parsed.data.inputs];
  const texts = list.filter((item) => typeof item === "string");
  if (texts.length > 0) return { items: texts, kind: "string", topK: parsed.data.topK };
  const images = list.flatMap((item) => (typeof item === "string" ? [] : [decoded(item.b64)]));
  return { items: images, kind: "image", topK: parsed.data.topK };
}

function decoded(base64: string): Uint8Array {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(base64)) throw problem("image-invalid", "An image is not base64.");
  return Buffer.from(base64, "base64");
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

function checkedTopK(value: unknown): number {
  const parsed = topK.safeParse(value);
  if (!parsed.success) throw problem("invalid-request", "topK must be an integer from 1 up.");
  return parsed.data;
}

/** The role's one input as a tensor of these items. Throws `task-mismatch` for texts where it takes images. */
export function inputFor(role: Role, { items, kind }: PlainInputs): Map<string, InputTensor> {
  if ((kind === "image") !== (role.takes === "image"))
    throw problem("task-mismatch", `The module takes ${role.takes === "image" ? "images" : "texts"}.`);
  const shape = [items.length];
  return new Map([[role.input, { dtype: kind, shape, data: items } as InputTensor]]);
}
