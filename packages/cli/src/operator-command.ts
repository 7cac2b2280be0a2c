import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Context } from "./context.ts";
import { mainOf } from "./service-main.ts";

/**
 * Runs a command of the API's own, which knows database and store, as a process that reads and writes what this one
 * does. Ends with its exit code.
 */
export async function runOperatorCommand(
  context: Context,
  [command, ...args]: [command: string, ...args: string[]],
  environment: NodeJS.ProcessEnv = {},
): Promise<void> {
  const child = spawn(process.execPath, [mainOf("api"), command, ...args], {
    env: { ...context.environment, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.pipe(context.out, { end: false });
  child.stderr.pipe(context.err, { end: false });
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  process.exitCode = code ?? (signal === null ? 1 : 128);
}
