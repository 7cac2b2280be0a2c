import { embeddingOutput, float32Json, type Tensor, tensorToJson } from "@modulehub/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import { checkJsonSize } from "./answer-size.ts";
import { jsonAnswer } from "./json-answer.ts";
import { inferPlain, readPlainInputs } from "./plain-inputs.ts";
import { openRequest, type ProtocolDeps } from "./request-context.ts";

/** `embed`: texts or images → `{"embeddings": number[][], "model", "version"}`. */
export async function embed(
  deps: ProtocolDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<string> {
  const { called, submission, body } = openRequest(deps, request, reply);
  const inputs = await readPlainInputs(request, body);
  return deps.inference.withModule(called.digest, submission, async (lease) => {
    const role = embeddingOutput(lease.manifest);
    const task = { role, outputs: [role.output] };
    const { outputs, truncated } = await inferPlain(deps.inference, lease, inputs, task, submission);
    checkJsonSize(outputs.values());
    const embeddings = `[${rows(outputs.get(role.output)!).join()}]`;
    const { module: model, version } = called;
    return jsonAnswer(
      reply,
      { model, version, ...(truncated.length > 0 && { truncated }) },
      new Map([["embeddings", embeddings]]),
    );
  });
}

/** Each row in JSON. */
function rows(tensor: Tensor): string[] {
  const width = tensor.shape[1] ?? 0;
  const cut = <Data>(slice: (from: number, to: number) => Data) =>
    Array.from({ length: tensor.shape[0] ?? 0 }, (_, row) => slice(row * width, (row + 1) * width));
  if (tensor.dtype === "float32") {
    const { data } = tensor;
    return cut((from, to) => float32Json(data.subarray(from, to)));
  }
  const { data } = tensorToJson(tensor);
  return cut((from, to) => JSON.stringify(data.slice(from, to)));
}
