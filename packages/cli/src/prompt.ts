import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { UsageError } from "./exit-code.ts";

/** A terminal, or what stands for it; Context is one. */
export interface PromptStreams {
  input: NodeJS.ReadableStream;
  err: NodeJS.WritableStream;
}

/** Asks on the terminal; Ctrl-C and the end of the input are a UsageError. */
export function ask(context: PromptStreams, question: string): Promise<string> {
  return read(context, question, context.err);
}

/** Asks for what must not be seen: nothing that is typed is shown. */
export async function askHidden(context: PromptStreams, question: string): Promise<string> {
  context.err.write(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  try {
    return await read(context, "", nowhere);
  } finally {
    context.err.write("\n");
  }
}

async function read(
  context: PromptStreams,
  question: string,
  output: NodeJS.WritableStream,
): Promise<string> {
  const lines = createInterface({ input: context.input, output, terminal: true });
  const { promise: closed, reject } = Promise.withResolvers<never>();
  lines.once("SIGINT", () => lines.close());
  lines.once("close", () => reject(new UsageError("Nothing was entered, and nothing was done.")));
  try {
    return (await Promise.race([lines.question(question), closed])).trim();
  } finally {
    lines.close();
  }
}

/** All that comes in where there is no terminal. */
export async function readInput(context: PromptStreams): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of context.input) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString().trim();
}
