import { tensorToJson } from "@modulehub/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import { checkJsonSize } from "./answer-size.ts";
import { inferBody } from "./body.ts";
import { openRequest, type ProtocolDeps } from "./request-context.ts";

/** Native inference in JSON: `{"signature"?, "inputs", "outputs"?}` → `{"module","version","digest","outputs","truncated"?}`. */
export async function inferJson(
  deps: ProtocolDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<object> {
  const { called, submission, body } = openRequest(deps, request, reply);
  const bytes = await body();
  return deps.inference.withModule(called.digest, async (lease) => {
    const call = await inferBody(bytes, lease.manifest, deps.threads);
    const { outputs, truncated } = await deps.inference.infer(lease, call, submission);
    checkJsonSize(outputs.values());
    const json = Object.fromEntries([...outputs].map(([name, tensor]) => [name, tensorToJson(tensor)]));
    const { module, version, digest } = called;
    return { module, version, digest, outputs: json, ...(truncated.length > 0 && { truncated }) };
  });
}
