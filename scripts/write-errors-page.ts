/** Writes docs/errors.md from the catalogue in core. */
import { writeFileSync } from "node:fs";
import { PROBLEMS } from "@modulehub/core";

/** The page as Markdown. */
export function errorsPage(): string {
  const rows = Object.entries(PROBLEMS)
    .sort(([, a], [, b]) => a.status - b.status)
    .map(([code, { status, title }]) => `| \`${code}\` | ${status} | ${title} |`);
  return `# Errors

Every error is a problem document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457), \`application/problem+json\`):

\`\`\`json
{
  "type": "urn:modulehub:problem:tensor-invalid",
  "title": "An input tensor does not fit the signature.",
  "status": 422,
  "code": "tensor-invalid",
  "detail": "inputs.text[1] must be a string.",
  "requestId": "0f8fad5b-d9cb-469f-a165-70867728950e",
  "errors": [{ "path": "inputs.text[1]", "message": "must be a string" }]
}
\`\`\`

\`code\` is stable: branch on it. \`requestId\` finds the request in the log, and comes as a header \`x-request-id\` with every answer. 429 and 503 carry \`Retry-After\`. A draft that is rejected holds such documents too, in \`problems\`.

4xx is the caller's fault and says what to do. 5xx is the world's: try again, or look at the log. "Not found" is never used for "could not look": a hub whose worker is down answers 503.

| Code | Status | Meaning |
|---|---|---|
${rows.join("\n")}
`;
}

if (import.meta.main) writeFileSync(new URL("../docs/errors.md", import.meta.url), errorsPage());
