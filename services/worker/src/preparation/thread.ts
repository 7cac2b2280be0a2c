import { parentPort } from "node:worker_threads";
import { ProblemError, problem } from "@modulehub/core";
import { setThreadNiceness } from "../engines/niceness.ts";
import { parseJson } from "../protocols/infer-body.ts";
import { OpenModules } from "./open-modules.ts";
import { readCall } from "./read-call.ts";
import type { ThreadAnswer, ThreadJob } from "./thread-job.ts";

/**
 * Behind the worker's main thread, which every request needs: one text of 200,000 words takes a core for a while. Before
 * narrow engines (niceness 10), which wait for what is prepared.
 */
const NICENESS = 5;

/** The main file of a preparing thread: one job after the other. The pool ends it where a job overstays. */
const modules = new OpenModules();

setThreadNiceness(NICENESS);

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
    case "call":
      return readCall(job.bytes, job.form, job.manifest, await modules.get(job.folder));
    case "quick":
      return (await modules.get(job.folder)).isQuick(job.signature);
    case "prepare": {
      const module = await modules.get(job.folder);
      const prepared = [];
      for (const item of job.items) prepared.push(await module.prepare(job.signature, item));
      return prepared;
    }
  }
}
