import type { FieldError } from "./problem.ts";

/** What is used of an issue of zod: also those below it, which say more where a key or an alternative failed. */
export interface Issue {
  code?: string;
  path: PropertyKey[];
  message: string;
  /** Of `invalid_key`: what is wrong with the key. */
  issues?: readonly { message: string }[];
}

/** zod's issues as the field errors of a problem document, the first 20 of them. */
export function fieldErrors(issues: readonly Issue[]): FieldError[] {
  return issues.slice(0, 20).map(({ code, path, message, issues: inner }) => ({
    path: path
      .map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part).slice(0, 100)}`))
      .join("")
      .replace(/^\./, ""),
    message: (code === "invalid_key" && inner?.[0]
      ? `This name can't be used: ${inner.map((issue) => issue.message).join("; ")}`
      : message
    ).slice(0, 500),
  }));
}
