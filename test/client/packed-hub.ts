import { type ChildProcess, execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";

/** What a command of the installed package printed, and how it ended. */
export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

/**
 * The environment of a user who has a Node, npm's commands of a folder and a home, and nothing else: above all
 * nothing of this repository.
 */
export const plainEnvironment = (folder: string, node: string): Record<string, string> => ({
  PATH: [join(folder, "node_modules/.bin"), dirname(node), "/usr/bin", "/bin"].join(delimiter),
  HOME: folder,
});

/** Runs a command line of bash in a folder. */
export function shell(script: string, folder: string, env: Record<string, string>): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { cwd: folder, env, encoding: "utf8", maxBuffer: 2 ** 26 } as const;
    const child = execFile(
      "bash",
      ["--norc", "-euo", "pipefail", "-c", script],
      options,
      (_error, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

/** A hub that `modulehub serve` of the installed package runs. */
export class PackedHub {
  readonly url: string;
  readonly token: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string, token: string) {
    this.#child = child;
    this.url = url;
    this.token = token;
  }

  /** Starts it on a free port, in a folder of its own within the given one. Rejects with what it printed. */
  static async start(folder: string, env: Record<string, string>, ...args: string[]): Promise<PackedHub> {
    const data = join(folder, "hub-data");
    const child = spawn("modulehub", ["serve", "--json", "--port", "0", "--data", data, ...args], {
      cwd: folder,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    return new Promise((resolve, reject) => {
      let printed = "";
      child.stderr.on("data", (chunk) => (printed += chunk));
      child.stdout.on("data", (chunk) => {
        printed += chunk;
        const ready = /^\{"event":"ready".*\}$/m.exec(printed);
        if (!ready) return;
        // A hub that was given its token keeps none in a file.
        const { url, adminToken }: { url: string; adminToken?: string } = JSON.parse(ready[0]);
        const token = adminToken === undefined ? env.MODULEHUB_ADMIN_TOKEN : readFileSync(adminToken, "utf8");
        if (token === undefined) reject(new Error("The hub has a token that nobody knows."));
        else resolve(new PackedHub(child, url, token.trim()));
      });
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`modulehub serve ended with ${code}:\n${printed}`)));
    });
  }

  /** As Ctrl-C does; resolves with the exit code. */
  async stop(): Promise<number | null> {
    const ended = new Promise<number | null>((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGINT");
    return ended;
  }
}
