import { tensorJsonText } from "@modulehub/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import { checkJsonSize } from "./answer-size.ts";
import { isLarge } from "./body.ts";
import { readInferBody } from "./infer-body.ts";
import { jsonAnswer, jsonObject } from "./json-answer.ts";
import { openRequest, type ProtocolDeps } from "./request-context.ts";

/** Native inference in JSON: `{"signature"?, "inputs", "outputs"?}` → `{"module","version","digest","outputs","truncated"?}`. */
export async function inferJson(
  deps: ProtocolDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<string> {
  const { called, submission, body } = openRequest(deps, request, reply);
  const bytes = await body();
  return deps.inference.withModule(called.digest, submission, async (lease) => {
    const { outputs, truncated } = isLarge(bytes)
      ? await deps.inference.inferBody(lease, { kind: "infer" }, bytes, submission)
      : await deps.inference.infer(lease, readInferBody(bytes, lease.manifest), submission);
    checkJsonSize(outputs.values());
    const { module, version, digest } = called;
    const texts = new Map<string, string>();
    for (const [name, tensor] of outputs) texts.set(name, tensorJsonText(tensor));
    return jsonAnswer(
      reply,
      { module, version, digest, ...(truncated.length > 0 && { truncated }) },
      new Map([["outputs", jsonObject(texts)]]),
    );
  });
}
