import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  type Digest,
  type JobAssignment,
  type JobMessage,
  type JobTask,
  ProblemError,
  problem,
  type Tensor,
} from "@modulehub/core";
import type { ChildLimits } from "../engines/child-process.ts";
import type { Inference } from "../inference.ts";
import type { ModuleCache, ModuleLease } from "../modules/module-cache.ts";
import type { EmbeddingsCache, EmbeddingsLease } from "./embeddings-cache.ts";
import type { JobFiles } from "./hub-job-files.ts";
import { runItems } from "./job-modules.ts";
import { type Asked, runJobProcess, type Told } from "./job-process.ts";

export interface JobsParts {
  inference: Inference;
  modules: ModuleCache;
  embeddings: EmbeddingsCache;
  files: JobFiles;
  limits: ChildLimits;
  /** For jobs' files, emptied at start. */
  folder: string;
  /** Jobs at once; more are refused. */
  atOnce: number;
  threads: number;
  /** Least milliseconds between two checkpoints. */
  checkpointMs: number;
}

/** What a job has at hand while it runs. */
interface Workplace {
  folder: string;
  modules: readonly ModuleLease[];
  embeddings: readonly EmbeddingsLease[];
}

/**
 * Does jobs for the API. The worker keeps nothing of one but what its caches hold by digest: whatever a job needs to go
 * on elsewhere is with the API before it is told of.
 */
export class Jobs {
  readonly #parts: JobsParts;
  readonly #stopping = new AbortController();
  #running = 0;

  constructor(parts: JobsParts) {
    this.#parts = parts;
  }

  /** Removes what an earlier run left. */
  async open(): Promise<void> {
    await rm(this.#parts.folder, { recursive: true, force: true });
    await mkdir(this.#parts.folder, { recursive: true });
  }

  /** Jobs that run now. */
  get running(): number {
    return this.#running;
  }

  /** Gives up all jobs: others go on with them from their last checkpoints. */
  stop(): void {
    this.#stopping.abort(problem("shutting-down"));
  }

  /** Throws `too-many-requests` where no more jobs are taken now. */
  checkRoom(): void {
    this.#stopping.signal.throwIfAborted();
    if (this.#running >= this.#parts.atOnce)
      throw problem("too-many-requests", `${this.#running} jobs run on this worker.`, { retryAfter: 5 });
  }

  /**
   * Does a job, and says what happens on the way. Throws `too-many-requests`, `job-timeout`, what fetching throws, and
   * as `runJobProcess` does.
   */
  async work(
    assignment: JobAssignment,
    say: (message: JobMessage) => void,
    gone: AbortSignal,
  ): Promise<void> {
    this.checkRoom();
    this.#running += 1;
    const late = AbortSignal.timeout(assignment.secondsLeft * 1_000);
    const signal = AbortSignal.any([gone, late, this.#stopping.signal]);
    const folder = join(this.#parts.folder, randomUUID());
    try {
      await mkdir(folder);
      await this.#withModules(assignment.task, signal, async (modules) => {
        const { dataSet } = assignment.task;
        say({ message: "progress", progress: { stage: "fetching", done: 0, total: dataSet.size } });
        await this.#parts.modules.withBlob(dataSet, signal, async (data) => {
          const embeddings = await this.#leaseEmbeddings(assignment.task, modules);
          try {
            await this.#run(assignment, { folder, modules, embeddings }, data, say, signal);
          } catch (error) {
            // What fills the disk is not to stay there for the sake of a job that had no room for it.
            if (error instanceof ProblemError && error.code === "store-unavailable")
              for (const lease of embeddings) lease.discard();
            throw error;
          } finally {
            for (const lease of embeddings) await lease.release();
          }
        });
      });
    } catch (error) {
      if (late.aborted && !gone.aborted) throw problem("job-timeout", "The job's time was up.");
      throw error;
    } finally {
      this.#running -= 1;
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #run(
    { job, attempt, task }: JobAssignment,
    place: Workplace,
    data: string,
    say: (message: JobMessage) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { files, limits, inference, threads, checkpointMs } = this.#parts;
    const send = (path: string) => files.send({ job, attempt }, path, signal);
    const told = async (word: Told) => {
      if (word.kind === "progress") say({ message: "progress", progress: word.progress });
      else if (word.kind === "log") say({ message: "log", level: word.level, text: word.text });
      else if (word.kind === "report") say({ message: "report", report: word.report });
      else await at(place.embeddings, word.module).keep();
    };
    const asked = async (word: Asked, tensors: Map<string, Tensor>): Promise<Map<string, Tensor>> => {
      if (word.kind === "run")
        return runItems(inference, at(place.modules, word.module), word, tensors, signal);
      const sent = await send(join(place.folder, word.file));
      say({ message: "checkpoint", checkpoint: { ...sent, step: word.step } });
      return new Map();
    };
    const work = async (checkpoint?: string) => {
      const argument = {
        ...{ task, folder: place.folder, data, threads, checkpointMs },
        modules: place.modules.map((lease, index) => ({
          handle: at(versionsOf(task), index).handle,
          digest: lease.digest,
          folder: lease.folder,
        })),
        embeddings: place.embeddings.map(({ path, saved, complete }) => ({ path, saved, complete })),
        ...(checkpoint !== undefined && { checkpoint }),
      };
      const { result, files: made } = await runJobProcess(argument, limits, { told, asked }, signal);
      const sent = [];
      for (const file of made) {
        const from =
          "file" in file ? join(place.folder, file.file) : join(at(place.modules, 0).folder, file.ofBase);
        sent.push({ path: file.path, ...(await send(from)) });
      }
      say({ message: "result", result, files: sent });
    };
    if (task.kind !== "train" || task.checkpoint === undefined) await work();
    else await this.#parts.modules.withBlob(task.checkpoint, signal, work);
  }

  /** The task's modules, kept on disk until `work` is done. */
  async #withModules(
    task: JobTask,
    signal: AbortSignal,
    work: (leases: ModuleLease[]) => Promise<void>,
  ): Promise<void> {
    const leases: ModuleLease[] = [];
    try {
      for (const { digest } of versionsOf(task))
        leases.push(await this.#parts.modules.lease(digest, { signal }));
      await work(leases);
    } finally {
      for (const lease of leases) lease.release();
    }
  }

  async #leaseEmbeddings(task: JobTask, modules: readonly ModuleLease[]): Promise<EmbeddingsLease[]> {
    if (task.kind === "evaluate") return [];
    const { digest: data, reading } = task.dataSet;
    const sample = task.kind === "rank" ? { sample: task.examples } : {};
    const leases: EmbeddingsLease[] = [];
    for (const { digest } of modules)
      leases.push(await this.#parts.embeddings.lease({ module: digest, data, reading, ...sample }));
    return leases;
  }
}

/** The versions that a task names. */
const versionsOf = (task: JobTask): readonly { handle: string; digest: Digest }[] =>
  task.kind === "train" ? [task.base] : task.kind === "evaluate" ? [task.module] : task.candidates;

function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw problem("job-crashed", "The job's process named what it was not given.");
  return found;
}
