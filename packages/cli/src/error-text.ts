import { type ProblemDocument, ProblemError } from "@modulehub/core";

/** An error as lines for people: the sentence, the fields at fault, then code and request id for a report. */
export function errorText(error: unknown): string {
  if (error instanceof ProblemError) return `modulehub: ${problemText(error.toDocument())}`;
  return `modulehub: ${error instanceof Error ? error.message : String(error)}`;
}

const TOKEN_HINT =
  'Log in with "modulehub login", or give a token with --token or MODULEHUB_TOKEN; a hub on this machine has one in its data folder, as admin-token.';

/** A problem document in the same way. */
export function problemText(document: ProblemDocument): string {
  const lines = [document.detail ?? document.title];
  for (const { path, message } of document.errors ?? []) lines.push(`  ${path}: ${message}`);
  if (document.code === "unauthenticated") lines.push(`  ${TOKEN_HINT}`);
  const id = document.requestId === undefined ? "" : `, request ${document.requestId}`;
  lines.push(`  (code ${document.code}${id})`);
  return lines.join("\n");
}

/** The same for programs: a problem document, or `{detail}` where it is not the hub that refused. */
export function errorJson(error: unknown): string {
  if (error instanceof ProblemError) return JSON.stringify(error.toDocument());
  const name = error instanceof Error ? error.name : "Error";
  return JSON.stringify({ title: name, detail: error instanceof Error ? error.message : String(error) });
}
