import { type ProblemCode, ProblemError } from "@modulehub/core";

/**
 * Whether an error is the refusal of a hub, or of this library in its words, with one of these codes; with none
 * given, any. Narrows, so that `error.code` is one of them:
 *
 *     catch (error) {
 *       if (isProblem(error, "module-not-found", "version-not-found")) …
 */
export function isProblem<C extends ProblemCode = ProblemCode>(
  error: unknown,
  ...codes: C[]
): error is ProblemError & { readonly code: C } {
  return error instanceof ProblemError && (codes.length === 0 || codes.some((code) => code === error.code));
}
