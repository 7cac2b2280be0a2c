import { createReadStream } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { CheckpointStore } from "@modulehub/runtime";
import type { JobArgument } from "../job-messages.ts";
import type { WorkerPipe } from "./worker-pipe.ts";

const FILE = "checkpoint";
const PIECE_BYTES = 2 ** 20;

/** Training takes at least so many times what checkpoints take. */
const COST_SHARE = 20;

/**
 * Checkpoints that the worker sends to the API, where they outlive both. Written at most every `checkpointMs`, for a
 * head may do thousands of steps a second; the training goes on while one is sent, and waits only for the one before.
 * The file here is not flushed to the disk: a checkpoint counts once the API has it, and the folder goes with the job.
 */
export class JobCheckpoints implements CheckpointStore {
  readonly #pipe: WorkerPipe;
  readonly #argument: Pick<JobArgument, "folder" | "checkpoint" | "checkpointMs">;
  #written = performance.now();
  /** Milliseconds that writing and sending the last one took. */
  #cost = 0;
  #unsent = false;
  #sending: Promise<unknown> = Promise.resolve();

  constructor(pipe: WorkerPipe, argument: Pick<JobArgument, "folder" | "checkpoint" | "checkpointMs">) {
    this.#pipe = pipe;
    this.#argument = argument;
  }

  async read(): Promise<AsyncIterable<Uint8Array> | undefined> {
    const { checkpoint } = this.#argument;
    return checkpoint === undefined
      ? undefined
      : createReadStream(checkpoint, { highWaterMark: PIECE_BYTES });
  }

  async write(pieces: Iterable<Uint8Array>): Promise<void> {
    if (performance.now() - this.#written < this.#interval()) return;
    await this.#sending;
    const started = performance.now();
    const path = join(this.#argument.folder, FILE);
    const unfinished = `${path}-unfinished`;
    try {
      await using file = await open(unfinished, "w");
      for (const piece of pieces) await file.writeFile(piece);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
    await rename(unfinished, path);
    this.#written = performance.now();
    this.#cost = this.#written - started;
    this.#unsent = true;
  }

  /** Tables of embeddings make hundreds of megabytes: what they cost stays a small part of the training. */
  #interval(): number {
    const { checkpointMs } = this.#argument;
    return checkpointMs === 0 ? 0 : Math.max(checkpointMs, COST_SHARE * this.#cost);
  }

  /** A checkpoint of this step was written, or left out: one that was written is sent. */
  reached(step: number): void {
    if (!this.#unsent) return;
    this.#unsent = false;
    const started = performance.now();
    const sending = this.#pipe.ask({ kind: "checkpoint", step, file: FILE }).then(() => {
      this.#cost += performance.now() - started;
    });
    this.#sending = sending;
    // Thrown where it is waited for.
    sending.catch(() => undefined);
  }

  /** Waits for what is being sent. Throws what sending it threw. */
  async flush(): Promise<void> {
    await this.#sending;
  }
}
