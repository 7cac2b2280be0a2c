import { existsSync } from "node:fs";
import { type ProblemError, problem } from "@modulehub/core/problem";
import { operatorFault, runtimeSentence } from "./runtime-sentence.ts";

const LONGEST = 500;

/**
 * ONNX Runtime's message without what must not leave the server or helps nobody: paths of this machine and of
 * the runtime's build, terminal colours, log prefixes. Names of nodes (`/encoder/layer.0/MatMul`) look like
 * paths and are kept: a path is one whose first segment exists at the root of this file system.
 */
export function cleanMessage(message: string): string {
  const text = message
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what is removed
    .replace(/\u001b\[[0-9;]*m/g, "")
    .replace(/\d{4}-\d\d-\d\d [\d:.]+ \[\w:[^\]]*\] ?/g, "")
    .replace(/\S*\.(?:cc|cpp|h|hpp|cuh?):\d+\b/g, "")
    .replace(/\[ONNXRuntimeError\] : \d+ : \w+ : /g, "")
    .replace(/(?:[A-Za-z]:[\\/]|\/)(?:[^\s"'<>|:,()\\/]+[\\/])*[^\s"'<>|:,()\\/]*/g, (path) => {
      const segments = path.split(/[\\/]/).filter(Boolean);
      const first = segments[0];
      const absolute = first !== undefined && (/^[A-Za-z]:/.test(path) || existsSync(`/${first}`));
      return absolute || first === "onnxruntime_src" ? (segments.at(-1) ?? "") : path;
    })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced
    .replace(/[\u0000-\u001f\u007f\s]+/g, " ")
    .trim();
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

/** What ONNX Runtime threw, as a problem. */
export function runtimeProblem(code: "session-failed" | "run-failed", cause: unknown): ProblemError {
  const message = cause instanceof Error ? cause.message : String(cause);
  const detail = cleanMessage(message);
  if (/bad_alloc|failed to allocate memory|out of memory|bad array new length/i.test(message))
    return problem("out-of-memory", "ONNX Runtime ran out of memory.", { cause });
  const locale = /Failed to construct locale with name:([\w.@-]+)/.exec(message)?.[1];
  if (locale !== undefined)
    // Without the attribute StringNormalizer takes en_US.UTF-8, which slim containers lack.
    return problem(
      code,
      `A StringNormalizer needs the locale ${locale}, which is not on this system; set its attribute locale to "C".`,
      { cause },
    );
  const operator = code === "session-failed" ? operatorFault(detail) : undefined;
  if (operator !== undefined) return problem("operator-unsupported", operator, { cause });
  return problem(code, runtimeSentence(detail), { cause });
}
