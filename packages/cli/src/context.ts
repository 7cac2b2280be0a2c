import type { Settings } from "./settings.ts";

/** What a command works with: nothing reaches for the process but main.ts. */
export interface Context {
  settings: Settings;
  /** Handed on to the services that `serve` starts. */
  environment: NodeJS.ProcessEnv;
  input: NodeJS.ReadStream;
  out: NodeJS.WriteStream;
  err: NodeJS.WriteStream;
  /** Calls a listener at Ctrl-C, which does not end the process then, until what comes back is called. */
  onInterrupt(listener: () => void): () => void;
}

/** A line of a command's result. */
export const print = (context: Context, line: string): void => void context.out.write(`${line}\n`);

/** A line about what is going on. */
export const say = (context: Context, line: string): void => void context.err.write(`${line}\n`);
