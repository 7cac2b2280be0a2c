import { parentPort } from "node:worker_threads";
import { ProblemError, problem } from "@modulehub/core";
import { type Module, openModule } from "@modulehub/runtime";
import { parseJson, readInferBody } from "../protocols/infer-body.ts";
import { readPlainBody } from "../protocols/plain-body.ts";
import type { ThreadAnswer, ThreadJob } from "./thread-job.ts";

/** The main file of a preparing thread: one job after the other. The pool ends it where a job overstays. */
const MODULES_KEPT = 8;
const modules = new Map<string, Promise<Module>>();

parentPort?.on("message", (job: ThreadJob) => void answer(job));

async function answer(job: ThreadJob): Promise<void> {
  let reply: ThreadAnswer;
  try {
    reply = { ok: true, result: await work(job) };
    parentPort?.postMessage(reply);
  } catch (error) {
    // What can't be cloned is nested too deeply: the stack ran out, or it is an internal fault.
    const known =
      error instanceof ProblemError
        ? error
        : error instanceof RangeError
          ? problem("invalid-json", "The body is nested too deeply.", { cause: error })
          : undefined;
    if (!known) throw error;
    reply = { ok: false, problem: known.toDocument() };
    parentPort?.postMessage(reply);
  }
}

async function work(job: ThreadJob): Promise<unknown> {
  switch (job.kind) {
    case "json":
      return parseJson(job.bytes);
    case "infer-body":
      return readInferBody(job.bytes, job.manifest);
    case "plain-body":
      return readPlainBody(job.bytes);
    case "prepare": {
      const module = await moduleIn(job.folder);
      const prepared = [];
      for (const item of job.items) prepared.push(await module.prepare(job.signature, item));
      return prepared;
    }
  }
}

function moduleIn(folder: string): Promise<Module> {
  const known = modules.get(folder) ?? openModule(folder);
  modules.delete(folder);
  modules.set(folder, known);
  known.catch(() => modules.delete(folder));
  const oldest = modules.size > MODULES_KEPT ? modules.keys().next().value : undefined;
  if (oldest !== undefined) modules.delete(oldest);
  return known;
}
