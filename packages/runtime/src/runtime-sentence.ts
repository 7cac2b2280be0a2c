/** What ONNX Runtime says, put so that a publisher can act on it. */

/** Why an operator can't be run, where a message says so: one sentence. */
export function operatorFault(message: string): string | undefined {
  const [, missing, version] = /No Op registered for (\S+) with domain_version of (\d+)/.exec(message) ?? [];
  if (missing !== undefined)
    return `ONNX Runtime has no operator ${missing} in opset ${version}; export the model without it, or for another opset.`;
  const unknown = /(\S+)\(-?\d+\) is not a registered function\/op/.exec(message)?.[1];
  if (unknown !== undefined)
    return `ONNX Runtime has no operator ${unknown}; export the model without it, or for another opset.`;
  const unwritten = /Could not find an implementation for (\S+)\(\d+\) node/.exec(message)?.[1];
  if (unwritten !== undefined)
    return `ONNX Runtime has no code for the operator ${unwritten} on tensors of this type; cast them before it.`;
  const [, type, input, operator] =
    /Type '([^']+)' of input parameter \((.*?)\) of operator \((\S+?)\)/.exec(message) ?? [];
  if (operator !== undefined)
    return `The operator ${operator} takes no ${type}, which its input ${input} is; cast it before.`;
  return undefined;
}

/** Other messages as a sentence, without what only repeats that a model could not be opened. */
export function runtimeSentence(message: string): string {
  const text = message
    .replace(/^Load model from \S+ failed: ?/, "")
    .replace(/^This is an invalid model\. ?/, "")
    .replace(/^In Node, \("([^"]*)",.*? , Error /, 'node "$1": ')
    .trim();
  return `ONNX Runtime says: ${/[.…]$/.test(text) ? text : `${text}.`}`;
}
