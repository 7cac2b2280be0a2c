import { embeddingOutput, type Tensor, tensorToJson } from "@modulehub/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import { checkJsonSize } from "./answer-size.ts";
import { inputFor, readPlainInputs } from "./plain-inputs.ts";
import { openRequest, type ProtocolDeps } from "./request-context.ts";

/** `embed`: texts or images → `{"embeddings": number[][], "model", "version"}`. */
export async function embed(
  deps: ProtocolDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<object> {
  const { called, submission, body } = openRequest(deps, request, reply);
  const inputs = await readPlainInputs(request, deps.threads, body);
  return deps.inference.withModule(called.digest, async (lease) => {
    const role = embeddingOutput(lease.manifest);
    const call = { signature: role.signature, inputs: inputFor(role, inputs), outputs: [role.output] };
    const { outputs, truncated } = await deps.inference.infer(lease, call, submission);
    checkJsonSize(outputs.values());
    const embeddings = rows(outputs.get(role.output)!);
    const { module: model, version } = called;
    return { embeddings, model, version, ...(truncated.length > 0 && { truncated }) };
  });
}

function rows(tensor: Tensor): unknown[][] {
  const { data } = tensorToJson(tensor);
  const width = tensor.shape[1] ?? 0;
  return Array.from({ length: tensor.shape[0] ?? 0 }, (_, row) => data.slice(row * width, (row + 1) * width));
}
