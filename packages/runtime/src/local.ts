import type { InputTensor, Tensor } from "@modulehub/core";
import { checkOutputNames } from "./finish.ts";
import { MadeOnce } from "./made-once.ts";
import type { Module, Truncation } from "./module.ts";
import { openModule } from "./open-module.ts";
import type { OpenSession, Session, SessionOptions } from "./session-contract.ts";

/** A module with its sessions, all in this process. */
export interface LocalModule {
  readonly module: Module;
  /** One request through all steps. `outputs`: names, default all of the signature. */
  run(
    signature: string,
    inputs: ReadonlyMap<string, InputTensor>,
    outputs?: readonly string[],
  ): Promise<{ outputs: Map<string, Tensor>; truncated: Truncation[] }>;
  close(): Promise<void>;
}

/**
 * A module run in this process, for those who chose what they run, and for processes that are limited already.
 * Sessions are opened when a signature is first used and shared by signatures with the same graph. The opener
 * is passed in (`@modulehub/runtime/session`), so that importing this doesn't load ONNX Runtime.
 */
export async function openLocalModule(
  folder: string,
  openSession: OpenSession,
  options: SessionOptions = { threads: 1 },
): Promise<LocalModule> {
  const module = await openModule(folder);
  const sessions = new MadeOnce<Session>();
  return {
    module,
    async run(name, inputs, outputs) {
      const prepared = await module.prepare(name, inputs);
      checkOutputNames(module.manifest.signatures[name]!, outputs);
      const graph = await module.compile(name);
      const session = await sessions.get(graph.path, () => openSession(graph.path, options));
      const fetches = await session.run(prepared.feeds, graph.fetches);
      return { outputs: module.finish(name, prepared, fetches, outputs), truncated: prepared.truncated };
    },
    async close() {
      for (const session of await sessions.takeAll()) await session.close();
    },
  };
}

/** One request through a module's folder: opened, run, closed. */
export async function runModule(
  folder: string,
  signature: string,
  inputs: ReadonlyMap<string, InputTensor>,
  openSession: OpenSession,
): Promise<Map<string, Tensor>> {
  const local = await openLocalModule(folder, openSession);
  try {
    return (await local.run(signature, inputs)).outputs;
  } finally {
    await local.close();
  }
}
