import {
  BINARY_HEADER,
  binaryRequestSchema,
  inputsFromBinary,
  outputsToBinary,
  problem,
} from "@modulehub/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import { checkJsonSize } from "./answer-size.ts";
import { jsonBody } from "./body.ts";
import { signatureOf } from "./infer-body.ts";
import { openRequest, type ProtocolDeps } from "./request-context.ts";

/** Tensors follow the header as bytes, so it is short. */
const MAX_HEADER_BYTES = 4 * 1024 * 1024;

/** Native inference in the Open Inference Protocol's binary form; `parameters.signature` may name a signature. */
export async function inferBinary(
  deps: ProtocolDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Buffer> {
  const { called, submission, body } = openRequest(deps, request, reply);
  const bytes = await body();
  const length = Number(request.headers[BINARY_HEADER]);
  if (!Number.isSafeInteger(length) || length < 0 || length > bytes.byteLength)
    throw problem(
      "invalid-request",
      "Inference-Header-Content-Length must be the length of the JSON header.",
    );
  if (length > MAX_HEADER_BYTES)
    throw problem(
      "body-too-large",
      `The JSON header may have ${MAX_HEADER_BYTES} bytes; send tensors as bytes.`,
    );
  const parsed = binaryRequestSchema.safeParse(
    await jsonBody(bytes.subarray(0, length), deps.threads, submission),
  );
  if (!parsed.success)
    throw problem("invalid-request", "The header does not fit the Open Inference Protocol's schema.");
  const header = parsed.data;
  return deps.inference.withModule(called.digest, submission, async (lease) => {
    const signature = String(header.parameters?.signature ?? "default");
    const { inputs: specs } = signatureOf(lease.manifest, signature);
    const inputs = inputsFromBinary(header, bytes.subarray(length), specs);
    const asked = header.outputs?.map(({ name }) => name);
    const call = { signature, inputs, outputs: asked };
    const { outputs, truncated } = await deps.inference.infer(lease, call, submission);
    const chosen = new Map(header.outputs?.map(({ name, parameters }) => [name, parameters?.binary_data]));
    const all = header.parameters?.binary_data_output !== false;
    const isBinary = (name: string) => (chosen.get(name) ?? all) !== false;
    checkJsonSize([...outputs].flatMap(([name, tensor]) => (isBinary(name) ? [] : [tensor])));
    const answer = outputsToBinary(
      outputs,
      {
        model_name: called.module,
        model_version: String(called.version),
        ...(header.id !== undefined && { id: header.id }),
        parameters: {
          digest: called.digest,
          ...(truncated.length > 0 && { truncated: JSON.stringify(truncated) }),
        },
      },
      isBinary,
    );
    void reply.header(BINARY_HEADER, String(answer.header.byteLength)).type("application/octet-stream");
    return Buffer.concat([answer.header, ...answer.chunks]);
  });
}
