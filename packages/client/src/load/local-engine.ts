import type { InputTensor, Manifest } from "@modulehub/core";
import { checkOutputNames, type Module, openModule, type Session } from "@modulehub/runtime";
import { findCompiled } from "@modulehub/runtime/compile-task";
import { openSession } from "@modulehub/runtime/session";
import type { Engine, EngineResult } from "./engine.ts";

/*
 * Imported only when a module is loaded: it brings ONNX Runtime and sharp into the process.
 */

/** Runs a module in this process: nothing is between the module's native code and whoever loaded it. */
export class LocalEngine implements Engine {
  #module: Module | undefined;
  #threads = 1;
  readonly #sessions = new Map<string, Promise<Session>>();

  async compile(folder: string): Promise<string[]> {
    const module = await openModule(folder);
    const made = new Set<string>();
    for (const name of Object.keys(module.manifest.signatures))
      if (module.compileTask(name).compiled !== null) made.add((await module.compile(name)).path);
    return [...made];
  }

  async open(folder: string, threads: number): Promise<Manifest> {
    this.#module = await openModule(folder);
    this.#threads = threads;
    return this.#module.manifest;
  }

  async run(
    signature: string,
    inputs: ReadonlyMap<string, InputTensor>,
    outputs: readonly string[] | undefined,
    signal?: AbortSignal,
  ): Promise<EngineResult> {
    const module = this.#module;
    if (!module) throw new Error("The module is closed.");
    signal?.throwIfAborted();
    const prepared = await module.prepare(signature, inputs);
    const declared = module.manifest.signatures[signature];
    if (declared && outputs) checkOutputNames(declared, outputs);
    const graph = await findCompiled(module.folder, module.compileTask(signature));
    if (!graph) throw new Error("The module's folder was changed while it was in use; load it again.");
    const session = await this.#session(graph.path);
    signal?.throwIfAborted();
    const fetches = await session.run(prepared.feeds, graph.fetches);
    return { outputs: module.finish(signature, prepared, fetches, outputs), truncated: prepared.truncated };
  }

  async close(): Promise<void> {
    this.#module = undefined;
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    for (const opened of await Promise.allSettled(sessions))
      if (opened.status === "fulfilled") await opened.value.close();
  }

  /** Signatures with the same graph share its session. One that failed to open is tried again. */
  #session(path: string): Promise<Session> {
    const known = this.#sessions.get(path);
    if (known) return known;
    const opening = openSession(path, { threads: this.#threads });
    this.#sessions.set(path, opening);
    opening.catch(() => this.#sessions.delete(path));
    return opening;
  }
}
