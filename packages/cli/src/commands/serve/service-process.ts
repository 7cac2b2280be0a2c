import { type ChildProcess, fork } from "node:child_process";
import { z } from "zod";
import { LogFile } from "./log-file.ts";

const listeningSchema = z.object({ kind: z.literal("listening"), url: z.string() });

/** What a service wrote last before it died is told, at most so much of it. */
const TAIL_LINES = 20;

export interface ServiceOptions {
  name: string;
  /** The service's main file. */
  main: string;
  /** Flags of Node for this service. */
  nodeFlags?: string[];
  environment: NodeJS.ProcessEnv;
  logFile: string;
  /** Where its output goes besides the file. */
  echo?: NodeJS.WritableStream;
}

/** How a service ended. */
export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** The last lines that it wrote to stderr. */
  tail: string;
}

/** A service of the hub as a child process, with a channel over which it says when it listens. */
export class ServiceProcess {
  readonly name: string;
  /** Its address, once it listens; rejects where it ends before. */
  readonly listening: Promise<string>;
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;

  constructor({ name, main, nodeFlags = [], environment, logFile, echo }: ServiceOptions) {
    this.name = name;
    const log = new LogFile(logFile);
    // A process group of its own: Ctrl-C in a terminal reaches the whole group, but here one stops after the other.
    this.#child = fork(main, [], {
      env: environment,
      execArgv: nodeFlags,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      detached: true,
    });
    const tail: string[] = [];
    this.#child.stdout?.on("data", (chunk: Buffer) => pass(chunk, log, echo));
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      pass(chunk, log, echo);
      tail.push(
        ...chunk
          .toString()
          .split("\n")
          .filter((line) => line.trim() !== ""),
      );
      tail.splice(0, tail.length - TAIL_LINES);
    });
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.listening = promise;
    this.listening.catch(() => {});
    this.#child.on("message", (message) => {
      const parsed = listeningSchema.safeParse(message);
      if (parsed.success) resolve(parsed.data.url);
    });
    this.ended = new Promise((resolveEnding) => {
      this.#child.on("error", reject);
      this.#child.on("close", (code, signal) => {
        log.close();
        const ending = { code, signal, tail: tail.join("\n") };
        reject(new ServiceEnded(name, ending));
        resolveEnding(ending);
      });
    });
  }

  /** Asks it to finish what it has and end; kills it after `graceMs`. */
  async stop(graceMs: number): Promise<Ending> {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.kill(), graceMs);
    try {
      return await this.ended;
    } finally {
      clearTimeout(timer);
    }
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

/** A service that ended when it should have run. */
export class ServiceEnded extends Error {
  constructor(name: string, { code, signal, tail }: Ending) {
    super(tail === "" ? `The ${name} ended (${signal ?? `exit code ${code}`}).` : tail);
    this.name = "ServiceEnded";
  }
}

function pass(chunk: Buffer, log: LogFile, echo: NodeJS.WritableStream | undefined): void {
  log.write(chunk);
  echo?.write(chunk);
}
