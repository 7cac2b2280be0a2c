import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../bin/modulehub.js", import.meta.url));

export interface BinResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/**
 * Runs the real command as a process, for tests, with this text as its input. Nothing of this process's settings is
 * handed on, nor what its user has logged in to. An output that is `unread` is closed before the command writes to it.
 */
export async function runBin(
  args: string[],
  environment: Record<string, string> = {},
  input = "",
  unread?: "stdout" | "stderr",
): Promise<BinResult> {
  const child = spawn(process.execPath, [BIN, ...args], {
    env: { PATH: process.env.PATH, XDG_CONFIG_HOME: "/nonexistent", ...environment },
    stdio: ["pipe", "pipe", "pipe"],
  });
  // A command that does not read it may have ended.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  if (unread) child[unread].destroy();
  const text = async (stream: Readable): Promise<string> => {
    if (stream.destroyed) return "";
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(Buffer.from(chunk));
    return Buffer.concat(chunks).toString();
  };
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    }),
  ]);
  return { code, stdout, stderr };
}
