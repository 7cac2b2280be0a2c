import { classificationOutput, problem, type Tensor } from "@modulehub/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import { checkJsonSize } from "./answer-size.ts";
import { inferPlain, readPlainInputs } from "./plain-inputs.ts";
import { openRequest, type ProtocolDeps } from "./request-context.ts";

/** `classify`: texts or images → `{"results": [[{"label","score"}]]}`, one list an input, best first. */
export async function classify(
  deps: ProtocolDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<object> {
  const { called, submission, body } = openRequest(deps, request, reply);
  const inputs = await readPlainInputs(request, body);
  return deps.inference.withModule(called.digest, submission, async (lease) => {
    const role = classificationOutput(lease.manifest);
    const task = { role, outputs: [role.labels, role.scores] };
    const { outputs, truncated } = await inferPlain(deps.inference, lease, inputs, task, submission);
    checkJsonSize(outputs.values());
    const results = ranked(outputs.get(role.labels)!, outputs.get(role.scores)!);
    const { module: model, version } = called;
    return { results, model, version, ...(truncated.length > 0 && { truncated }) };
  });
}

function ranked(labels: Tensor, scores: Tensor): { label: string; score: number }[][] {
  if (labels.dtype !== "string" || scores.dtype !== "float32")
    throw problem("manifest-mismatch", "The labels step gave what are no labels and scores.");
  const [count = 0, width = 0] = labels.shape;
  return Array.from({ length: count }, (_, row) =>
    Array.from({ length: width }, (_, rank) => ({
      label: labels.data[row * width + rank]!,
      score: scores.data[row * width + rank]!,
    })),
  );
}
