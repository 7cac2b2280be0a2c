import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type InputTensor, type Manifest, ProblemError, problem } from "@modulehub/core";
import { LocalFileError } from "../connection-error.ts";
import type { ChildAnswer, ChildCall, ChildRequest } from "./child-messages.ts";
import type { Engine, EngineResult } from "./engine.ts";

/** Beside this file, in the package's sources as well as in what is built of them. */
const CHILD = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "isolated-child.ts" : "isolated-child.js", import.meta.url),
);

interface Waiting {
  resolve(answer: ChildAnswer): void;
  reject(error: unknown): void;
}

/**
 * Runs a module in a process of its own, with an empty environment: a module that crashes ends its own process,
 * and a run can be stopped. It may read what the user may; against hostile modules use a hub's engines, or a
 * container.
 */
export class IsolatedEngine implements Engine {
  #child: ChildProcess | undefined;
  #closed = false;
  #folder: { folder: string; threads: number } | undefined;
  #next = 0;
  readonly #waiting = new Map<number, Waiting>();

  async compile(folder: string): Promise<string[]> {
    const answer = await this.#call({ call: "compile", folder });
    if (answer.kind !== "compiled") throw new Error("The module's process gave another answer.");
    return answer.paths;
  }

  async open(folder: string, threads: number): Promise<Manifest> {
    this.#folder = { folder, threads };
    return this.#open(folder, threads);
  }

  async run(
    signature: string,
    inputs: ReadonlyMap<string, InputTensor>,
    outputs: readonly string[] | undefined,
    signal?: AbortSignal,
  ): Promise<EngineResult> {
    if (this.#closed || !this.#folder) throw new Error("The module is closed.");
    signal?.throwIfAborted();
    // A process that ended is started again by the next run.
    if (!this.#child) await this.#open(this.#folder.folder, this.#folder.threads);
    const answer = await this.#call({ call: "run", signature, inputs, outputs }, signal);
    if (answer.kind !== "ran") throw new Error("The module's process gave another answer.");
    return { outputs: answer.outputs, truncated: answer.truncated };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#end(new Error("The module was closed."));
  }

  async #open(folder: string, threads: number): Promise<Manifest> {
    const answer = await this.#call({ call: "open", folder, threads });
    if (answer.kind !== "opened") throw new Error("The module's process gave another answer.");
    return answer.manifest;
  }

  async #call(call: ChildCall, signal?: AbortSignal): Promise<ChildAnswer> {
    this.#child ??= this.#start();
    const child = this.#child;
    const id = this.#next++;
    const request: ChildRequest = { id, ...call };
    let stop = () => {};
    const answer = await new Promise<ChildAnswer>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      stop = () => {
        reject(signal?.reason);
        this.#end(
          problem("module-crashed", "The module's process was ended to stop another run. Run it again."),
        );
      };
      signal?.addEventListener("abort", stop, { once: true });
      // Only while something is asked of it does the process keep this one alive; till it ends, should it do that.
      child.ref();
      child.channel?.ref();
      child.send(request, (error) => {
        if (error) this.#lost(child, error);
      });
    }).finally(() => {
      signal?.removeEventListener("abort", stop);
      this.#waiting.delete(id);
      if (this.#waiting.size > 0) return;
      child.unref();
      child.channel?.unref();
    });
    if (answer.kind === "refused") throw ProblemError.fromDocument(answer.problem);
    if (answer.kind === "unusable") throw new LocalFileError(answer.message);
    if (answer.kind === "failed") throw new Error(answer.message);
    return answer;
  }

  #start(): ChildProcess {
    const child = fork(CHILD, [], {
      env: {},
      execArgv: [],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    child.on("message", (answer: ChildAnswer) => this.#waiting.get(answer.id)?.resolve(answer));
    child.once("error", (error) => this.#lost(child, error));
    child.once("exit", (code, signal) =>
      this.#lost(
        child,
        problem("module-crashed", `The module ended its process (${signal ?? `exit code ${code}`}).`),
      ),
    );
    return child;
  }

  #lost(child: ChildProcess, error: unknown): void {
    if (this.#child === child) this.#end(error);
  }

  #end(reason: unknown): void {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }
}
